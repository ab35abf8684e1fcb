import manifest from "../package.json" with { type: "json" };

export const VERSION: string = manifest.version;

/**
 * What the relay calls itself in the `Server` header of every response. Other relays look for `atproto-relay` in it, so
 * that relays don't follow each other in a circle (rulebook 1.7.6).
 */
export const SERVER_NAME = `standpipe/${VERSION} (atproto-relay)`;

/** What it calls itself in requests of its own. */
export const USER_AGENT = SERVER_NAME;
