/** The request that opens a stream, for consumers that speak raw TCP. `cursor` is null for the live end. */
export function subscribeRequest(hostname: string, port: number, cursor: number | null): string {
	const query = cursor === null ? "" : `?cursor=${cursor}`;
	return `GET /xrpc/com.atproto.sync.subscribeRepos${query} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
}
