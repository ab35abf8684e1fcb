import { failureResponse } from "../http/failure.ts";
import type { Counters } from "../observe/counters.ts";
import type { ReadAnswer, ReadRequest } from "./requests.ts";

/** Stands for the public port, which the caller knows by another name. */
const ORIGIN = "http://localhost";

/** An HTTP app, which gets the sender's address beside the request. */
export type ReadsHandler = (request: Request, client: { ip: string }) => Response | Promise<Response>;

/** Answers a read. What fails becomes an answer too: never rejects. */
export async function answerRead(
	{ id, target, ip }: ReadRequest,
	app: ReadsHandler,
	counters: Counters,
): Promise<ReadAnswer> {
	try {
		return await describe(id, await app(new Request(`${ORIGIN}${target}`), { ip }));
	} catch (error) {
		return describe(id, failureResponse(error, counters));
	}
}

async function describe(id: number, response: Response): Promise<ReadAnswer> {
	return { id, status: response.status, headers: [...response.headers], body: await response.text() };
}
