"""Uses docs/examples/storage_client.py as a service of the application would. argv: the scenario."""

import asyncio
import base64
import hashlib
import json
import os
import sys
import time
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parents[3] / "docs" / "examples"))

import aio_pika  # noqa: E402
from storage_client import StorageClient, StorageError  # noqa: E402

SMALL, LARGE = os.environ["SMALL"], os.environ["LARGE"]
WAIT_SECONDS = 20
FIELDS = {"type": "portrait", "theme": "fantasy", "tags": ["elf"]}


def client(hub=os.environ["MESSAGE_HUB_URL"]):
    token = os.environ.get("STORAGE_SERVICE_TOKEN")
    return StorageClient(hub, os.environ["STORAGE_SERVICE_URL"], token)


def equal(found, expected):
    assert found == expected, f"{found!r}, not {expected!r}"


async def images():
    async with client() as storage:
        events = asyncio.Queue()
        await storage.on_event(lambda *event: events.put_nowait(event))
        for path in (SMALL, LARGE):
            await one_image(storage, events, path)
        equal(events.empty(), True)


async def one_image(storage, events, path):
    body = Path(path).read_bytes()
    image = await storage.create_image(path, name="Mira", **FIELDS)
    image_id = image["id"]
    equal(image["content"]["size_bytes"], len(body))
    equal(image["content"]["sha256"], hashlib.sha256(body).hexdigest())
    equal(image["content"]["filename"], os.path.basename(path))

    equal(await storage.call("get_image", {"image_id": image_id}), image)
    equal(await storage.get_content(image_id=image_id), body)
    equal(await storage.get_content(sha256=image["content"]["sha256"]), body)
    found = await storage.call("get_content", {"image_id": image_id})
    equal("data" in found, path == SMALL)
    equal(found.get("url"), None if path == SMALL else f"content/{found['sha256']}")

    page = await storage.call("list_images", {"tag": ["elf"], "limit": 1})
    equal(page["items"], [image])
    operation_id = str(uuid4())
    change = {"image_id": image_id, "patch": {"name": "Mira II"}, "if_version": 1}
    updated = await storage.call("update_image", change, operation_id=operation_id)
    equal((updated["name"], updated["version"], updated["tags"]), ("Mira II", 2, ["elf"]))
    # Once more, as after an answer that was lost: nothing happens again.
    equal(await storage.call("update_image", change, operation_id=operation_id), updated)
    await refused(storage, "precondition_failed", "update_image", change)

    equal(await storage.call("delete_image", {"image_id": image_id}), {})
    await refused(storage, "image_not_found", "get_image", {"image_id": image_id})
    restored = await storage.call("restore_image", {"image_id": image_id})
    equal((restored["version"], restored["deleted_at"]), (4, None))
    await storage.call("delete_image", {"image_id": image_id})

    heard = [await asyncio.wait_for(events.get(), WAIT_SECONDS) for _ in range(5)]
    equal({data["image_id"] for _, data in heard}, {image_id})
    equal(
        [(event_type, data["version"], data["changed"]) for event_type, data in heard],
        [
            ("image.created", 1, []),
            ("image.updated", 2, ["name"]),
            ("image.deleted", 3, ["deleted_at"]),
            ("image.restored", 4, ["deleted_at"]),
            ("image.deleted", 5, ["deleted_at"]),
        ],
    )


async def overhears():
    async with client() as storage:
        queue = await storage._channel.declare_queue("example_service.overheard", exclusive=True)
        await queue.bind("dnd_events", "storage.request")


async def refused(storage, code, operation, data, field=None, **options):
    try:
        await storage.call(operation, data, **options)
    except StorageError as error:
        equal((operation, error.code), (operation, code))
        assert error.message, operation
        if field:
            assert field in [each["field"] for each in error.errors], error.errors
        return
    raise AssertionError(f"{operation} {data} was not refused")


async def refusals():
    async with client() as storage:
        image = Path(SMALL).read_bytes()
        content = await storage.content_of(SMALL, "")
        create = {**FIELDS, "name": "Mira", "content": content}
        other = base64.b64encode(image[:-1] + b"x").decode()
        unsent = {"sha256": "0" * 64, "size_bytes": 1_000_000}
        nobody = str(uuid4())

        await refused(storage, "invalid_request", "burn_image", {}, "operation")
        await refused(storage, "invalid_request", "ping", {}, "operation_id", operation_id="12")
        await refused(storage, "invalid_request", "ping", {"a": 1}, "a")
        await refused(storage, "invalid_request", "get_image", {}, "image_id")
        await refused(storage, "image_not_found", "get_image", {"image_id": "12"})
        await refused(storage, "image_not_found", "get_image", {"image_id": nobody})
        await refused(storage, "invalid_request", "create_image", {**create, "id": "12"}, "id")
        await refused(storage, "invalid_request", "create_image", {"content": content}, "name")
        await refused(storage, "invalid_request", "create_image", {**FIELDS, "name": "a"}, "content")
        wrong = {**create, "content": {**content, "data": other}}
        await refused(storage, "invalid_request", "create_image", wrong)
        await refused(
            storage, "content_missing", "create_image", {**create, "content": unsent}
        )
        await refused(storage, "invalid_request", "update_image", {"image_id": nobody}, "patch")
        await refused(storage, "invalid_request", "list_images", {"sort": "size"}, "sort")
        await refused(storage, "invalid_request", "get_content", {})
        await refused(storage, "not_found", "get_content", {"sha256": "0" * 64})
        await refused(storage, "invalid_request", "put_theme", {}, "name")

        operation_id = str(uuid4())
        theme = {"name": "tale", "synonyms": ["yarn"]}
        await storage.call("put_theme", theme, operation_id=operation_id)
        again = {**theme, "synonyms": []}
        await refused(
            storage, "operation_id_reused", "put_theme", again, operation_id=operation_id
        )
        # A deadline need not be a whole number of anything.
        equal(list(await storage.call("ping", {}, within=9.87654321)), ["version"])


async def malformed():
    """Messages that no client would send; each is answered, or dead-lettered, and blocks nothing."""
    async with client() as storage:
        async with await aio_pika.connect(os.environ["MESSAGE_HUB_URL"]) as connection:
            channel = await connection.channel()
            dnd_events = await channel.get_exchange("dnd_events")
            replies = await channel.declare_queue(exclusive=True)
            dead = await channel.get_queue("storage_service.dead")
            async with replies.iterator() as answers, dead.iterator() as dead_letters:
                raw = Raw(storage, dnd_events, replies.name, aiter(answers), aiter(dead_letters))
                await raw.all()
        equal(list(await storage.call("ping", {})), ["version"])


class Raw:
    def __init__(self, storage, dnd_events, replies, answers, dead_letters):
        self.dnd_events = dnd_events
        self.replies = replies
        self.answers = answers
        self.dead_letters = dead_letters
        request = {"operation": "ping", "operation_id": str(uuid4()), "data": {}}
        message = storage._request(str(uuid4()), request, time.time(), 20, 20)
        self.good = json.loads(message.body)

    async def all(self):
        await self.answered("not JSON", "invalid_request")
        await self.answered("[]", "invalid_request")
        await self.answered('{"metadata": {}}', "invalid_request")
        now = datetime.now(timezone.utc)
        late = (now - timedelta(seconds=60)).isoformat()
        await self.answered(self.sent_at(late), "deadline_exceeded")
        await self.answered(self.sent_at("yesterday"), "invalid_request")
        # Without a zone nobody knows when that was.
        await self.answered(self.sent_at(now.replace(tzinfo=None).isoformat()), "invalid_request")
        await self.answered(self.sent_at(now.isoformat(), ttl="20"), "invalid_request")
        assert await self.answer_to(self.sent_at(now.isoformat(), ttl=1e300)), "a long deadline"

        # Nowhere to answer, or in a queue of the service itself.
        await self.dead_lettered("not JSON", None)
        for queue in ("storage_service", "storage_service.dead", "storage_service.lock"):
            await self.dead_lettered(json.dumps(self.good), queue)

    def sent_at(self, timestamp, ttl=20):
        metadata = {**self.good["metadata"], "timestamp": timestamp, "ttl": ttl}
        return json.dumps({**self.good, "metadata": metadata})

    async def send(self, body, reply_to):
        message_id = str(uuid4())
        message = aio_pika.Message(
            body.encode(),
            content_type="application/json",
            message_id=message_id,
            reply_to=reply_to,
            headers={"event_type": "storage.request", "event_version": "1"},
        )
        await self.dnd_events.publish(message, "storage.request")
        return message_id

    async def answer_to(self, body):
        message_id = await self.send(body, self.replies)
        answer = await asyncio.wait_for(anext(self.answers), WAIT_SECONDS)
        equal(answer.headers["in_reply_to"], message_id)
        return json.loads(answer.body)["data"]

    async def answered(self, body, code):
        answer = await self.answer_to(body)
        equal((body, answer["status"], answer.get("code")), (body, "error", code))
        assert answer["message"], body

    async def dead_lettered(self, body, reply_to):
        message_id = await self.send(body, reply_to)
        letter = await asyncio.wait_for(anext(self.dead_letters), WAIT_SECONDS)
        await letter.ack()
        equal(letter.message_id, message_id)
        equal(letter.headers["x-first-death-reason"], "rejected")


async def interrupted():
    hub = urlsplit(os.environ["MESSAGE_HUB_URL"])
    way = Way(hub.hostname, hub.port)
    async with await asyncio.start_server(way.pass_on, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        address = hub._replace(netloc=f"{hub.username}:{hub.password}@127.0.0.1:{port}")
        async with client(address.geturl()) as storage:
            await many_images(storage, way)


async def many_images(storage, way):
    events = asyncio.Queue()
    await storage.on_event(lambda *event: events.put_nowait(event))
    tag = str(uuid4())
    fields = {**FIELDS, "tags": [tag]}
    create = partial(storage.create_image, SMALL, **fields)
    waiting = [asyncio.create_task(create(name=f"Mira {n}")) for n in range(200)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    way.break_off()
    equal(all(task.done() for task in waiting), False)
    ids = {image["id"] for image in await asyncio.gather(*waiting)}
    page = await storage.call("list_images", {"tag": [tag], "limit": 200})
    equal({image["id"] for image in page["items"]}, ids)
    equal((len(ids), page["next_cursor"]), (200, None))
    # Events are heard again too; those of the gap are lost.
    last = (await create(name="Mira"))["id"]
    while (await asyncio.wait_for(events.get(), WAIT_SECONDS))[1]["image_id"] != last:
        pass


class Way:
    """Passes connections on, until they are broken."""

    def __init__(self, host, port):
        self.there = (host, port)
        self.ends = []

    async def pass_on(self, reader, writer):
        there_reader, there_writer = await asyncio.open_connection(*self.there)
        self.ends += [writer, there_writer]
        await asyncio.gather(copy(reader, there_writer), copy(there_reader, writer))

    def break_off(self):
        for end in self.ends:
            end.transport.abort()
        self.ends.clear()


async def copy(reader, writer):
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


SCENARIOS = {
    "images": images,
    "refusals": refusals,
    "malformed": malformed,
    "interrupted": interrupted,
    "overhears": overhears,
}
asyncio.run(SCENARIOS[sys.argv[1]]())
