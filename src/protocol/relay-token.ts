/** What a relay has in its `Server` header, so that relays don't follow each other in a circle (rulebook 1.7.6). */
export const RELAY_TOKEN = "atproto-relay";

/** Whether a `Server` header is a relay's. */
export function isRelay(server: string): boolean {
	return server.toLowerCase().includes(RELAY_TOKEN);
}
