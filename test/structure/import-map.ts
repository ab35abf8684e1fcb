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
 * Imports that lead up, as `from -> to`: a room may import from rooms before it only. A file's room is its first folder, or
 * the file itself where it stands in no folder.
 *
 * @param rooms from the bottom to the top
 */
export function arrowsUp(imports: ImportMap, rooms: readonly string[]): string[] {
	const heightOf = (path: string): number => {
		const [first = "", ...rest] = path.split("/");
		return rooms.indexOf(rest.length === 0 ? first : `${first}/`);
	};
	return [...imports]
		.flatMap(([from, targets]) => targets.map((to) => [from, to] as const))
		.filter(([from, to]) => heightOf(to) > heightOf(from) || heightOf(from) < 0 || heightOf(to) < 0)
		.map(([from, to]) => `${from} -> ${to}`)
		.sort();
}
