/** Who imports whom: files, or whatever else has a name. */
export type ImportMap = ReadonlyMap<string, readonly string[]>;

/** Every group of names that reach each other, each in a circle or several. Sorted. */
export function circlesOf(imports: ImportMap): string[][] {
	const reached = new Map([...imports.keys()].map((name) => [name, reachableFrom(name, imports)]));
	const circles = new Map<string, string[]>();
	for (const [name, others] of reached) {
		if (!others.has(name)) continue;
		const circle = [...others].filter((other) => reached.get(other)?.has(name)).sort();
		circles.set(circle.join(" "), circle);
	}
	return [...circles.values()].sort((a, b) => a.join().localeCompare(b.join()));
}

/** All that a name imports, and what those import, and so on. */
function reachableFrom(name: string, imports: ImportMap): Set<string> {
	const reached = new Set<string>();
	const next = [...(imports.get(name) ?? [])];
	for (let at = next.pop(); at !== undefined; at = next.pop()) {
		if (reached.has(at)) continue;
		reached.add(at);
		next.push(...(imports.get(at) ?? []));
	}
	return reached;
}

/**
 * Imports that lead up, as `from -> to`: a room may import from rooms before it only. Rooms are the folders of one folder; a file
 * in none is a room of its own at the root, and elsewhere bound by no order.
 *
 * @param named folders, with a slash at the end, and files, each before those that may import from it
 */
export function arrowsUp(imports: ImportMap, named: readonly string[]): string[] {
	return [...imports]
		.flatMap(([from, targets]) => targets.map((to) => [from, to] as const))
		.filter(([from, to]) => leadsUp(from, to, named))
		.map(([from, to]) => `${from} -> ${to}`)
		.sort();
}

function leadsUp(from: string, to: string, named: readonly string[]): boolean {
	const [fromParts, toParts] = [partsOf(from), partsOf(to)];
	const depth = fromParts.findIndex((part, i) => part !== toParts[i]);
	const rooms = [fromParts, toParts].map((parts) => parts.slice(0, depth + 1).join(""));
	if (depth > 0 && !rooms.every((room) => room.endsWith("/"))) return false;
	const [fromHeight = -1, toHeight = -1] = rooms.map((room) => named.indexOf(room));
	return fromHeight < 0 || toHeight < 0 || toHeight > fromHeight;
}

/** `a/b/c.ts` as `a/`, `b/` and `c.ts`. */
function partsOf(path: string): string[] {
	return path.split(/(?<=\/)/);
}
