/**
 * Returns the source with the one place that matches `find` replaced.
 *
 * @throws {Error} if there is no such place, or more than one, or if the result is no TypeScript, since such a mutant
 *   says nothing about the tests
 */
export function mutate(source: string, find: string, replace: string): string {
	const places = source.split(find).length - 1;
	if (places !== 1) throw new Error(`stale: ${JSON.stringify(find)} stands there ${places} times`);
	const mutated = source.replace(find, () => replace);
	new Bun.Transpiler({ loader: "ts" }).transformSync(mutated);
	return mutated;
}
