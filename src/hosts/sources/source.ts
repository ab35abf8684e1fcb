// hosts/sources/: lists of hosts that others have made, and how their hosts come to the gate. Whether one is followed is not decided here.

/** Hosts that one list may name. The network has some thousands. */
export const LISTED_HOSTS_MAX = 100_000;

/** Some hosts of a list. */
export interface ListedHosts {
	hostnames: readonly string[];
	/** How many more there were, which the list itself says can't be followed. */
	omitted: number;
}

/** A list can't be read to its end. The message says whose fault it is. */
export class SourceError extends Error {
	override readonly name = "SourceError";
}

/** Waits. Rejects with the signal's reason. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

export const systemSleep: Sleep = async (ms, signal) => {
	signal.throwIfAborted();
	const { promise, resolve, reject } = Promise.withResolvers<void>();
	const abort = (): void => {
		clearTimeout(timer);
		reject(signal.reason);
	};
	const timer = setTimeout(() => {
		signal.removeEventListener("abort", abort);
		resolve();
	}, ms);
	signal.addEventListener("abort", abort, { once: true });
	await promise;
};
