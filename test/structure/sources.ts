import { dirname, relative, resolve } from "node:path";
import type { Node, SourceFile } from "typescript/unstable/ast";
import {
	isCallExpression,
	isExportDeclaration,
	isFunctionLikeDeclaration,
	isImportDeclaration,
	isImportTypeNode,
	isLiteralTypeNode,
	isStringLiteral,
} from "typescript/unstable/ast/is";
import { API } from "typescript/unstable/async";

/** A file of `src/`, as the compiler reads it. Paths are relative to `src/`. */
export interface Source {
	path: string;
	/** Files of `src/` that it names, types included. */
	imports: string[];
	functions: FunctionPlace[];
}

/** Where a function stands, without the comments above it. */
export interface FunctionPlace {
	/** `path:line`, counted from 1. */
	place: string;
	lines: number;
	/** What a comment right above it says of its length. Empty without one. */
	reason: string;
}

const ROOT = resolve(import.meta.dir, "../..");
const SRC = resolve(ROOT, "src");
/** How a comment begins that says why a function is long. */
const REASON = /Long because (.+)/;

/** Reads all of `src/`, which `tsconfig.json` names, by the compiler's own parser: no text in a string can be taken for code. */
export async function readSources(): Promise<Source[]> {
	const compiler = new API({ cwd: ROOT });
	try {
		const snapshot = await compiler.updateSnapshot({ openProjects: [resolve(ROOT, "tsconfig.json")] });
		const [project] = snapshot.getProjects();
		if (project === undefined) throw new Error("the compiler knows no project");
		const names = await project.program.getSourceFileNames();
		const ours = names.filter((name) => name.startsWith(`${SRC}/`)).sort();
		return await Promise.all(
			ours.map(async (name) => {
				const file = await project.program.getSourceFile(name);
				if (file === undefined) throw new Error(`the compiler does not give ${name}`);
				return readSource(relative(SRC, name), file);
			}),
		);
	} finally {
		await compiler.close();
	}
}

function readSource(path: string, file: SourceFile): Source {
	const imports = new Set<string>();
	const functions: FunctionPlace[] = [];
	const visit = (node: Node): void => {
		const specifier = specifierOf(node);
		if (specifier?.startsWith(".")) imports.add(relative(SRC, resolve(SRC, dirname(path), specifier)));
		if (isFunctionLikeDeclaration(node)) functions.push(placeOf(path, file, node));
		node.forEachChild(visit);
	};
	visit(file);
	return { path, imports: [...imports].filter((target) => !target.startsWith("..")), functions };
}

/** What a node imports or exports from: `import … from`, `export … from`, `import()` and `import("…").Type`. */
function specifierOf(node: Node): string | null {
	if (isImportDeclaration(node) || isExportDeclaration(node)) return textOf(node.moduleSpecifier);
	if (isImportTypeNode(node)) return isLiteralTypeNode(node.argument) ? textOf(node.argument.literal) : null;
	if (isCallExpression(node) && node.expression.getText() === "import") return textOf(node.arguments[0]);
	return null;
}

function textOf(node: Node | undefined): string | null {
	return node !== undefined && isStringLiteral(node) ? node.text : null;
}

function placeOf(path: string, file: SourceFile, node: Node): FunctionPlace {
	const start = node.getStart(file);
	const line = file.getLineAndCharacterOfPosition(start).line;
	const lines = file.getLineAndCharacterOfPosition(node.end).line - line + 1;
	return { place: `${path}:${line + 1}`, lines, reason: REASON.exec(commentAbove(file.text, start))?.[1] ?? "" };
}

/** The lines of comment that end right above the line of an offset. */
function commentAbove(text: string, offset: number): string {
	const above = text.slice(0, offset).split("\n").slice(0, -1);
	const first = above.findLastIndex((line) => !/^\s*(\/\/|\/\*|\*)/.test(line)) + 1;
	return above.slice(first).join("\n");
}
