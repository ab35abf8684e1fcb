import { SERVER_NAME } from "../version.ts";

/** Sent with every answer, errors too. Without these headers, a browser does not even let a page see why it was refused. */
export const CORS_HEADERS = {
	"Access-Control-Allow-Origin": "*",
	"Access-Control-Expose-Headers": "Allow, Retry-After",
} as const;

/**
 * An error in XRPC form (rulebook 5).
 * @param error name, without spaces, for programs
 * @param message names the rule that was broken, for people
 */
export function errorResponse(
	status: number,
	error: string,
	message: string,
	headers: Record<string, string> = {},
): Response {
	return Response.json({ error, message }, { status, headers: { Server: SERVER_NAME, ...CORS_HEADERS, ...headers } });
}

/** Characters shown of a text that a stranger chose, such as a path. */
const SHOWN_CHARS_MAX = 200;

/** The text, or its beginning if it is long. */
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
