import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, type Served, serveAt } from '../measure/served-process.ts';

/**
 * nginx as a server of files is tuned: one process, the kernel copies files to sockets, open files
 * are remembered, nothing is logged.
 */
export async function serveFiles(folder: string, signal: AbortSignal): Promise<Served> {
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const configuration = `
    daemon off;
    master_process off;
    worker_processes 1;
    pid ${folder}/nginx.pid;
    error_log stderr error;
    events { worker_connections 1024; }
    http {
      ${temporary.map((name) => `${name}_temp_path ${folder}/temporary-${name};`).join('\n      ')}
      access_log off;
      sendfile on;
      tcp_nopush on;
      tcp_nodelay on;
      keepalive_requests 1000000000;
      open_file_cache max=100 inactive=1h;
      open_file_cache_valid 1h;
      types { image/jpeg jpg; }
      server {
        listen 127.0.0.1:${port};
        root ${folder};
        add_header Cache-Control "public, max-age=31536000, immutable";
        add_header X-Content-Type-Options nosniff;
      }
    }`;
  const path = join(folder, 'nginx.conf');
  await writeFile(path, configuration);
  return serveAt(port, 'nginx', ['-p', folder, '-e', 'stderr', '-c', path], signal);
}
