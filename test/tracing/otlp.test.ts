import { expect, test } from "bun:test";
import { Rng } from "../../src/sim/rng.ts";
import { openOtlp } from "../../src/tracing/otlp.ts";
import { spansOf } from "../../src/tracing/spans.ts";
import { anyMessage, settledNote } from "./notes.ts";

test("a receiver whose answer never ends is given up, its connection is closed, and later spans are sent", async () => {
	const rng = new Rng("otlp");
	const closed = Promise.withResolvers<void>();
	let isEndless = true;
	const endless = (): Response =>
		new Response(
			new ReadableStream({
				async pull(controller) {
					controller.enqueue(new Uint8Array(1));
					await Bun.sleep(10);
				},
				cancel: () => closed.resolve(),
			}),
		);
	const server = Bun.serve({
		hostname: "127.0.0.1",
		port: 0,
		fetch: () => (isEndless ? endless() : Response.json({})),
	});
	const send = await openOtlp({ url: `http://127.0.0.1:${server.port}/`, serviceName: "test", deadlineMs: 500 });
	const settled = settledNote(rng, anyMessage(rng), true);
	const spans = spansOf({ settled, logged: null, indexed: null, delivered: [] }, 1, 0);
	await expect(send(spans)).rejects.toThrow("did not end its answer");
	await closed.promise;
	isEndless = false;
	// A slow machine may need more than one try.
	for (let isSent = false; !isSent; )
		isSent = await send(spans).then(
			() => true,
			() => false,
		);
	await server.stop(true);
});
