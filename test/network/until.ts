const POLL_MS = 20;

/**
 * Waits for a condition.
 * @param what is awaited, in words
 * @param probe gives something truthy once the condition holds
 * @param shown text that the error of a missed deadline shows besides `what`
 * @throws Error at the deadline
 */
export async function until<Value>(
	what: string,
	deadlineMs: number,
	probe: () => Value | Promise<Value>,
	shown: () => unknown = () => "",
): Promise<Value> {
	const deadline = performance.now() + deadlineMs;
	for (;;) {
		const value = await probe();
		if (value) return value;
		if (performance.now() > deadline) {
			throw new Error(`waited ${deadlineMs} ms in vain for ${what} ${JSON.stringify(await shown())}`);
		}
		await Bun.sleep(POLL_MS);
	}
}
