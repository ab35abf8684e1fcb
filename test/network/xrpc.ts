/** An XRPC call that was answered by an error. */
export class XrpcFailure extends Error {
	override readonly name = "XrpcFailure";
	readonly status: number;
	/** The error's name, such as `RepoNotFound`. */
	readonly error: string;

	constructor(nsid: string, status: number, body: string) {
		super(`${nsid} answered ${status}: ${body}`);
		this.status = status;
		this.error = errorName(body);
	}
}

function errorName(body: string): string {
	try {
		return String(JSON.parse(body).error);
	} catch {
		return "";
	}
}

export type Parameters = Readonly<Record<string, string | number>>;

export function basicAuth(password: string): string {
	return `Basic ${Buffer.from(`admin:${password}`).toString("base64")}`;
}

export function bearer(token: string): string {
	return `Bearer ${token}`;
}

/**
 * Calls a query. The answer's type is not checked: these servers are the reference, or under test.
 * @throws XrpcFailure if the answer is not a success
 */
export async function query<Output>(
	origin: string,
	nsid: string,
	parameters: Parameters = {},
	authorization?: string,
): Promise<Output> {
	const response = await request(origin, nsid, { parameters, authorization });
	return (await response.json()) as Output;
}

/**
 * Calls a procedure. If the lexicon has no input, pass none: the reference PDS refuses a body then, even an empty one.
 * @throws XrpcFailure if the answer is not a success
 */
export async function procedure<Output>(
	origin: string,
	nsid: string,
	input: unknown,
	authorization?: string,
): Promise<Output> {
	const body = input === undefined ? undefined : new Blob([JSON.stringify(input)], { type: "application/json" });
	const response = await request(origin, nsid, { method: "POST", body, authorization });
	const text = await response.text();
	return (text === "" ? undefined : JSON.parse(text)) as Output;
}

export interface RequestOptions {
	method?: string;
	parameters?: Parameters;
	/** Its type becomes the content type. */
	body?: Blob | undefined;
	authorization?: string | undefined;
}

/** The call beneath `query` and `procedure`, for answers and bodies that are not JSON. */
export async function request(origin: string, nsid: string, options: RequestOptions): Promise<Response> {
	const { method = "GET", parameters = {}, body, authorization } = options;
	const url = new URL(`/xrpc/${nsid}`, origin);
	for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, String(value));
	const headers = new Headers();
	if (authorization !== undefined) headers.set("authorization", authorization);
	const response = await fetch(url, { method, headers, redirect: "manual", body: body ?? null });
	if (response.status >= 400) throw new XrpcFailure(nsid, response.status, await response.text());
	return response;
}
