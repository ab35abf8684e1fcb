import { afterAll, describe, expect, test } from "bun:test";
import { deflateSync, gzipSync } from "node:zlib";
import { BodyTooLargeError, fetchBounded } from "../../src/net/bounded-fetch.ts";
import { FetchError, inPlainWords, outboundFetch } from "../../src/net/outbound-fetch.ts";
import { messageOf } from "../../src/observe/log-value.ts";
import { freePort } from "../../src/sim/relay-process.ts";
import { Rng } from "../../src/sim/rng.ts";

const LIMITS = { timeoutMs: 240_000, bytesMax: 10_000 };

/** The server's answer to every request. */
let answer: Buffer = Buffer.alloc(0);
const server = Bun.listen({
	hostname: "127.0.0.1",
	port: 0,
	socket: {
		data(socket) {
			socket.write(answer);
			socket.end();
		},
	},
});
afterAll(() => server.stop(true));

async function ask(port: number, scheme = "http"): Promise<string> {
	const url = new URL(`${scheme}://127.0.0.1:${port}/`);
	const send = (signal: AbortSignal) => outboundFetch(url, { signal, redirect: "error", keepalive: false });
	return new TextDecoder().decode((await fetchBounded(send, LIMITS)).body);
}

function answerOf(body: Uint8Array, encoding: string | null): Buffer {
	const header = encoding === null ? "" : `Content-Encoding: ${encoding}\r\n`;
	return Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${header}Content-Length: ${body.length}\r\n\r\n`), body]);
}

describe("a request that fails", () => {
	test("says so in plain words, and never with the runtime's advice", async () => {
		const rng = new Rng("answers");
		const port = server.port;
		for (const [text, words] of [
			["", "the connection was closed before the whole answer had come"],
			[
				"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
				"the connection was closed before the whole answer had come",
			],
			["HTTP/1.1 302 Found\r\nLocation: http://h/\r\nContent-Length: 0\r\n\r\n", "it answered with a redirect"],
		] as const) {
			answer = Buffer.from(text);
			await expect(ask(port)).rejects.toThrow(words);
		}
		await expect(ask(freePort())).rejects.toThrow("the connection was refused");
		answer = Buffer.from("plain");
		await expect(ask(port, "https")).rejects.toThrow("the TLS handshake failed");
		for (let at = 0; at < 200; at++) {
			const start = rng.pick(["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"]);
			answer = Buffer.concat([Buffer.from(start), rng.bytes(rng.int(200))]);
			const failure: unknown = await ask(port).then(
				() => null,
				(error: unknown) => error,
			);
			if (failure !== null) expect(failure).toBeInstanceOf(FetchError);
			expect(failure === null ? "" : messageOf(failure)).not.toMatch(/verbose|Is the computer|Does the server|http:/);
		}
	}, 300_000);

	test("keeps the code, and does not change the relay's own errors", () => {
		const cause = Object.assign(new TypeError("Is the computer able to access the url?"), { code: "SOMETHING_NEW" });
		expect(inPlainWords(cause)).toMatchObject({ message: "failed (SOMETHING_NEW)", code: "SOMETHING_NEW" });
		expect(messageOf(inPlainWords(cause))).toBe("failed (SOMETHING_NEW)");
		const expired = Object.assign(new Error("certificate has expired"), { code: "CERT_HAS_EXPIRED" });
		expect(inPlainWords(expired)).toMatchObject({ message: "its certificate is not valid (CERT_HAS_EXPIRED)" });
		const ours = new BodyTooLargeError("too long");
		expect(inPlainWords(ours)).toBe(ours);
		expect(inPlainWords("text")).toBe("text");
	});
});

describe("an encoded body", () => {
	test("is accepted in gzip, up to the limit of its decompressed size", async () => {
		const text = "x".repeat(LIMITS.bytesMax);
		answer = answerOf(gzipSync(text), "gzip");
		expect(await ask(server.port)).toBe(text);
		answer = answerOf(gzipSync(`${text}x`), "X-GZIP");
		await expect(ask(server.port)).rejects.toThrow(BodyTooLargeError);
		answer = answerOf(gzipSync(Buffer.alloc(5_000_000)), "gzip");
		await expect(ask(server.port)).rejects.toThrow(BodyTooLargeError);
		answer = answerOf(Buffer.from(text), "identity");
		expect(await ask(server.port)).toBe(text);
	});

	test("is refused in another encoding, or if it is not in the encoding that it names", async () => {
		answer = answerOf(deflateSync("x"), "deflate");
		await expect(ask(server.port)).rejects.toThrow("an encoding that was not asked for");
		answer = answerOf(Buffer.from("no gzip"), "gzip");
		await expect(ask(server.port)).rejects.toThrow("not in the encoding that it names");
	});
});
