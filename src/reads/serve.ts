// reads/: the thread that answers reads of the index, and how other threads ask it. The methods are in http/reads.ts.

import { failureResponse } from "../http/failure.ts";
import type { Counters } from "../observe/counters.ts";
import type { ReadAnswer, ReadsService } from "./requests.ts";

/** Takes the place of the public port's origin, which no method uses. */
const ORIGIN = "http://localhost";

/** An HTTP app that gets the sender's address with the request. */
export type ReadsHandler = (request: Request, client: { ip: string }) => Response | Promise<Response>;

/** Answers reads with an app. A failure becomes an answer too: `read` never rejects. */
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
