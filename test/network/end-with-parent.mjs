/**
 * Ends this process when it is told to, or when its parent is gone, which closes the pipe of standard input.
 * @param {() => unknown} [stop] called first
 */
export function endWithParent(stop = () => {}) {
	const end = async () => {
		try {
			await stop();
		} finally {
			process.exit(0);
		}
	};
	process.once("SIGTERM", end);
	process.stdin.once("end", end).resume();
}
