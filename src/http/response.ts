import { SERVER_NAME } from "../version.ts";

/** On every answer, errors too: without them a browser hides from a page even why it was refused. */
export const CORS_HEADERS = {
	"Access-Control-Allow-Origin": "*",
	"Access-Control-Expose-Headers": "Allow, Retry-After",
} as const;

/**
 * An error in XRPC form (rulebook 5).
 * @param error name, without spaces: what programs look at
 * @param message names the rule that was broken: what people look at
 */
export function errorResponse(
	status: number,
	error: string,
	message: string,
	headers: Record<string, string> = {},
): Response {
	return Response.json({ error, message }, { status, headers: { Server: SERVER_NAME, ...CORS_HEADERS, ...headers } });
}

/** What is shown of a text that a stranger chose, such as a path. */
const SHOWN_CHARS_MAX = 200;

/** The text, or its beginning where it is long. */
export function shortened(text: string): string {
	return text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}…`;
}

/** Thrown by a handler to answer with an error in XRPC form. */
export class XrpcError extends Error {
	override readonly name = "XrpcError";
	readonly status: number;
	readonly error: string;

	readonly headers: Record<string, string>;

	constructor(status: number, error: string, message: string, headers: Record<string, string> = {}) {
		super(message);
		this.status = status;
		this.error = error;
		this.headers = headers;
	}

	toResponse(): Response {
		return errorResponse(this.status, this.error, this.message, this.headers);
	}
}
