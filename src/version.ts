import manifest from "../package.json" with { type: "json" };
import { RELAY_TOKEN } from "./protocol/relay-token.ts";

export const VERSION: string = manifest.version;

/** What the relay calls itself in the `Server` header of every response. */
export const SERVER_NAME = `standpipe/${VERSION} (${RELAY_TOKEN})`;

/** What the relay calls itself in its own requests. */
export const USER_AGENT = SERVER_NAME;
