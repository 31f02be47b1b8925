"""A client of the Storage Service over the Message Hub, as docs/message-hub.md describes it.

Needs Python 3.11 and aio-pika (Debian: python3-aio-pika). Try it:

    python3 storage_client.py portrait.png

It reads MESSAGE_HUB_URL (amqp://guest:guest@127.0.0.1:5672/), STORAGE_SERVICE_URL (http://127.0.0.1:8001) and
STORAGE_SERVICE_TOKEN (none) from the environment.
"""

import asyncio
import base64
import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from uuid import uuid4

import aio_pika
from aio_pika.exceptions import DeliveryError, PublishError

HUB_URL = "amqp://guest:guest@127.0.0.1:5672/"
STORAGE_URL = "http://127.0.0.1:8001"
EXCHANGE = "dnd_events"
MESSAGE_CONTENT_MAX_BYTES = 256 * 1024
DEADLINE_SECONDS = 20.0
# An answer may be lost with the connection; asking again under the same ids is harmless.
ASK_AGAIN_SECONDS = 3.0
AWAY_SECONDS = 0.2


class StorageError(Exception):
    """What the service answered, or storage_unavailable, overloaded, outcome_unknown."""

    def __init__(self, code, message, errors=()):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.errors = list(errors)


class StorageClient:
    """Use it by `async with`. `app_id` names the service that asks."""

    def __init__(self, hub_url, storage_url, token=None, app_id="example_service"):
        self._hub_url = hub_url
        # A path of the address is kept: content/… is relative to it.
        self._storage_url = storage_url.rstrip("/") + "/"
        self._token = token
        self._app_id = app_id
        self._replies = f"{app_id}.replies.{uuid4()}"
        self._waiting = {}

    async def __aenter__(self):
        # aio-pika takes these from the query of the address alone.
        options = ("&" if "?" in self._hub_url else "?") + "heartbeat=2&reconnect_interval=1"
        self._connection = await aio_pika.connect_robust(self._hub_url + options)
        # Without on_return_raises, a request that no queue takes would be lost in silence.
        self._channel = await self._connection.channel(on_return_raises=True)
        self._exchange = await self._channel.declare_exchange(EXCHANGE, "topic", durable=True)
        replies = await self._channel.declare_queue(self._replies, exclusive=True, auto_delete=True)
        await replies.consume(self._take_answer, no_ack=True)
        return self

    async def __aexit__(self, *_):
        await self._connection.close()

    async def call(self, operation, data, *, operation_id=None, within=DEADLINE_SECONDS):
        """The `data` of the answer. To repeat a write whose outcome is unknown, give its operation_id."""
        operation_id = operation_id or str(uuid4())
        message_id = str(uuid4())
        request = {"operation": operation, "operation_id": operation_id, "data": data}
        sent_at = time.time()
        answer = asyncio.get_running_loop().create_future()
        self._waiting[message_id] = answer
        try:
            while (left := sent_at + within - time.time()) > 0:
                message = self._request(message_id, request, sent_at, within, left)
                try:
                    publishing = self._exchange.publish(message, "storage.request", mandatory=True)
                    await asyncio.wait_for(publishing, min(left, ASK_AGAIN_SECONDS))
                except PublishError as returned:
                    why = "The storage service has not joined the hub yet."
                    raise StorageError("storage_unavailable", why) from returned
                except DeliveryError as refused:
                    raise StorageError("overloaded", "Too many requests wait.") from refused
                except Exception:
                    # Away, which the library says in many ways, or by silence; it connects again by
                    # itself. The request may have arrived all the same.
                    await asyncio.sleep(min(left, AWAY_SECONDS))
                    continue
                done, _ = await asyncio.wait([answer], timeout=min(left, ASK_AGAIN_SECONDS))
                if done:
                    return answer.result()
            why = f"{operation} {operation_id} was not answered within {within} s."
            raise StorageError("outcome_unknown", why)
        finally:
            # An answer that comes later finds nobody, and is dropped.
            del self._waiting[message_id]

    async def create_image(self, path, **fields):
        """An image from a file; small ones go inside the message, large ones beside it."""
        operation_id = str(uuid4())
        content = await self.content_of(path, operation_id)
        data = {**fields, "content": content}
        return await self.call("create_image", data, operation_id=operation_id)

    async def content_of(self, path, operation_id):
        """The `content` of a create_image or replace_content with this operation_id."""
        with open(path, "rb") as file:
            body = file.read()
        content = {
            "sha256": hashlib.sha256(body).hexdigest(),
            "size_bytes": len(body),
            "filename": os.path.basename(path),
        }
        if len(body) <= MESSAGE_CONTENT_MAX_BYTES:
            return {**content, "data": base64.b64encode(body).decode()}
        await asyncio.to_thread(self._upload, operation_id, body)
        return content

    async def get_content(self, **which):
        """Bytes, by image_id or sha256, however they come."""
        found = await self.call("get_content", which)
        if "data" in found:
            return base64.b64decode(found["data"])
        # Not by what `url` says: nothing but the hash decides where the bytes are fetched.
        return await asyncio.to_thread(self._http, "GET", f"content/{found['sha256']}")

    async def on_event(self, take):
        """Calls `take(event_type, data)` for each change from now on, without repetitions."""
        queue = await self._channel.declare_queue(
            f"{self._app_id}.events.{uuid4()}", exclusive=True, auto_delete=True
        )
        await queue.bind(self._exchange, "image.*")

        seen = {}

        def take_once(message):
            data = json.loads(message.body)["data"]
            # An event may come again; its version tells.
            if data["version"] > seen.get(data["image_id"], 0):
                seen[data["image_id"]] = data["version"]
                take(message.headers["event_type"], data)

        await queue.consume(take_once, no_ack=True)

    def _request(self, message_id, request, sent_at, ttl, left):
        operation_id = request["operation_id"]
        sent = datetime.fromtimestamp(sent_at, timezone.utc).isoformat(timespec="milliseconds")
        metadata = {
            "event_type": "storage.request",
            "event_version": "1",
            "source_id": self._app_id,
            "correlation_id": operation_id,
            "timestamp": sent,
            "ttl": ttl,
        }
        return aio_pika.Message(
            json.dumps({"metadata": metadata, "data": request}).encode(),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=message_id,
            correlation_id=operation_id,
            reply_to=self._replies,
            type="storage.request",
            app_id=self._app_id,
            timestamp=int(sent_at),
            expiration=left,
            headers={"event_type": "storage.request", "event_version": "1"},
        )

    def _take_answer(self, message):
        answer = self._waiting.get(message.headers.get("in_reply_to"))
        if answer is None or answer.done():
            return
        data = json.loads(message.body)["data"]
        if data["status"] == "success":
            answer.set_result(data["data"])
        else:
            errors = data["details"].get("errors", [])
            answer.set_exception(StorageError(data["code"], data["message"], errors))

    def _upload(self, operation_id, body):
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Digest": f"sha-256=:{digest}:",
        }
        self._http("PUT", f"content/uploads/{operation_id}", body, headers)

    def _http(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        address = self._storage_url + path
        request = urllib.request.Request(address, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as response:
                return response.read()
        except urllib.error.HTTPError as refused:
            problem = json.loads(refused.read())
            errors = problem.get("errors", [])
            raise StorageError(problem["code"], problem["detail"], errors) from refused
        except (urllib.error.URLError, TimeoutError) as away:
            raise StorageError("storage_unavailable", str(away)) from away


async def main():
    if len(sys.argv) != 2:
        sys.exit("Name one image file: python3 storage_client.py portrait.png")
    path = sys.argv[1]
    if not os.path.isfile(path):
        sys.exit(f"{path} is not a file.")
    hub = os.environ.get("MESSAGE_HUB_URL", HUB_URL)
    storage = os.environ.get("STORAGE_SERVICE_URL", STORAGE_URL)
    token = os.environ.get("STORAGE_SERVICE_TOKEN")
    async with StorageClient(hub, storage, token) as client:
        await client.on_event(lambda event_type, data: print(event_type, data))
        image = await client.create_image(
            path, type="portrait", name="Elven ranger", theme="fantasy", tags=["elf"]
        )
        print(json.dumps(image, indent=2))
        page = await client.call("list_images", {"tag": ["elf"], "limit": 10})
        print(len(page["items"]), "images of elves")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except StorageError as failed:
        sys.exit(str(failed))
    except ConnectionError as failed:
        sys.exit(f"The broker at MESSAGE_HUB_URL cannot be reached: {failed}")
