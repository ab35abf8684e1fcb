import { SERVER_NAME } from "./version.ts";

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
	return Response.json(
		{ error, message },
		{ status, headers: { Server: SERVER_NAME, "Access-Control-Allow-Origin": "*", ...headers } },
	);
}

/** Thrown by a handler to answer with an error in XRPC form. */
export class XrpcError extends Error {
	override readonly name = "XrpcError";
	readonly status: number;
	readonly error: string;

	constructor(status: number, error: string, message: string) {
		super(message);
		this.status = status;
		this.error = error;
	}

	toResponse(): Response {
		return errorResponse(this.status, this.error, this.message);
	}
}
