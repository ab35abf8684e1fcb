/** Whether a program is there; if not, a name for the tests that are skipped says so. */
export function skipWithout(program: string): string | null {
	return Bun.which(program, { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` }) === null
		? `skipped: there is no ${program} here`
		: null;
}

/** The path of a program that is there. */
export function programPath(program: string): string {
	const path = Bun.which(program, { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` });
	if (path === null) throw new Error(`there is no ${program} here`);
	return path;
}
