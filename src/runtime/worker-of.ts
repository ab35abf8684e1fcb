/**
 * Which of the ingest workers has a DID or a host. Any fixed hash would do. After a restart with another number of workers, it
 * may be another worker.
 */
export function workerOf(name: string, workers: number): number {
	return workers === 1 ? 0 : Bun.hash.crc32(name) % workers;
}
