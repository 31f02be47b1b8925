import { answer } from './measure/question.ts';
import { catalog } from './questions/catalog.ts';
import { delivery } from './questions/delivery.ts';
import { hub } from './questions/hub.ts';
import { importing } from './questions/import.ts';
import { memory } from './questions/memory.ts';
import { overload } from './questions/overload.ts';
import { slowClients } from './questions/slow-clients.ts';
import { start } from './questions/start.ts';
import { uploads } from './questions/uploads.ts';

/**
 * How fast and how large the service is, a table for each question.
 *
 *   npm run bench                                  all questions, about 15 minutes; the first time
 *                                                  3 more, for a catalog of a million images
 *   npm run bench -- uploads catalog               those two
 *   npm run bench -- import --folder DIR           with images of your own
 *   npm run bench -- delivery --profile DIR        a CPU profile of each service goes to DIR
 *
 * Machines differ and are shared, so a number alone says little. Each is held against a floor (the
 * least that must be done, in bench/floors) or a peer, measured in the same run in rounds that
 * alternate; the medians of the rounds count, and of their ratios. Every server is a process of
 * its own on the loopback, started and stopped here, over folders for temporary files that are
 * removed at the end (TMPDIR says where; catalogs are kept there for the next run). CPU and memory
 * are what /proc tells of a process and its children, so this runs on Linux.
 *
 * A new question is a file in bench/questions and a line here.
 */
await answer([uploads, memory, catalog, delivery, start, importing, overload, slowClients, hub]);
