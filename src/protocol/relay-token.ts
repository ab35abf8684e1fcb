/** Text that marks a relay in the `Server` header, so that relays don't follow each other in a circle (rulebook 1.7.6). */
export const RELAY_TOKEN = "atproto-relay";

/** Whether a `Server` header comes from a relay. */
export function isRelay(server: string): boolean {
	return server.toLowerCase().includes(RELAY_TOKEN);
}
