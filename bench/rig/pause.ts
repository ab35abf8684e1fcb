/** Waits for `ms`, or until the signal is aborted. */
export async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
	if (signal.aborted) return;
	const { promise, resolve } = Promise.withResolvers<void>();
	const timer = setTimeout(resolve, ms);
	const wake = (): void => resolve();
	signal.addEventListener("abort", wake, { once: true });
	await promise;
	clearTimeout(timer);
	signal.removeEventListener("abort", wake);
}
