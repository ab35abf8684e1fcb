import { connect } from "node:net";

/** Sends bytes to a server at 127.0.0.1. Resolves with its whole answer when it closes the connection. */
export function exchange(port: number, request: string | Uint8Array): Promise<string> {
	return converse(port, request, { quietMs: 0, isEnough: () => false });
}

/** Like `exchange`, but resolves as soon as the head of an answer has come. */
export function answerHead(port: number, request: string | Uint8Array): Promise<string> {
	return converse(port, request, { quietMs: 0, isEnough: (answer) => answer.includes("\r\n\r\n") });
}

/** Like `exchange`, but gives up when nothing has come for `quietMs`. */
export function provoke(port: number, request: string | Uint8Array, quietMs: number): Promise<string> {
	return converse(port, request, { quietMs, isEnough: () => false });
}

function converse(
	port: number,
	request: string | Uint8Array,
	{ quietMs, isEnough }: { quietMs: number; isEnough: (answer: string) => boolean },
): Promise<string> {
	return new Promise((resolve) => {
		let answer = "";
		const socket = connect(port, "127.0.0.1", () => socket.write(toBytes(request)));
		socket.setTimeout(quietMs, () => socket.destroy());
		socket.on("data", (chunk: Buffer) => {
			answer += chunk.toString("latin1");
			if (isEnough(answer)) socket.destroy();
		});
		// A reset also counts as closing the connection.
		socket.on("error", () => undefined);
		socket.on("close", () => resolve(answer));
	});
}

/** Each character of a text stands for one byte. */
function toBytes(request: string | Uint8Array): Uint8Array {
	return typeof request === "string" ? Buffer.from(request, "latin1") : request;
}
