// reads/: the thread that answers reads of the index, and how other threads ask it. The methods are in http/reads.ts.

import { failureResponse } from "../http/failure.ts";
import type { Counters } from "../observe/counters.ts";
import type { ReadAnswer, ReadsService } from "./requests.ts";

/** Stands for the public port, which the caller knows by another name. */
const ORIGIN = "http://localhost";

/** An HTTP app, which gets the sender's address beside the request. */
export type ReadsHandler = (request: Request, client: { ip: string }) => Response | Promise<Response>;

/** Answers reads by an app. What fails becomes an answer too: it never rejects. */
export function serveReads(app: ReadsHandler, counters: Counters): ReadsService {
	return {
		async read(target, ip) {
			try {
				return await describe(await app(new Request(`${ORIGIN}${target}`), { ip }));
			} catch (error) {
				return describe(failureResponse(error, counters));
			}
		},
	};
}

async function describe(response: Response): Promise<ReadAnswer> {
	return { status: response.status, headers: [...response.headers], body: await response.text() };
}
