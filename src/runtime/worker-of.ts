/**
 * Which of the ingest workers has a DID or a host. Any fixed hash does; with another number of workers, after a restart, it may be
 * another one.
 */
export function workerOf(name: string, workers: number): number {
	return workers === 1 ? 0 : Bun.hash.crc32(name) % workers;
}
