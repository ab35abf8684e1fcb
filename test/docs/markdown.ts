import { readPage } from "./page.ts";

/** What is looked at of a page. */
export interface MarkdownPage {
	/** The id is what a link to the heading has after `#`. */
	headings: { text: string; id: string }[];
	/** Targets of its links and images, as they are written. */
	targets: string[];
}

/** Reads a page of the repository. */
export async function readMarkdown(path: string): Promise<MarkdownPage> {
	return parseMarkdown(await readPage(path));
}

export function parseMarkdown(text: string): MarkdownPage {
	const page: MarkdownPage = { headings: [], targets: [] };
	const uses = new Map<string, number>();
	Bun.markdown.render(text, {
		heading: (text) => {
			const slug = slugOf(text);
			const before = uses.get(slug) ?? 0;
			uses.set(slug, before + 1);
			page.headings.push({ text, id: before === 0 ? slug : `${slug}-${before}` });
			return text;
		},
		link: (text, { href }) => {
			page.targets.push(href);
			return text;
		},
		image: (text, { src }) => {
			page.targets.push(src);
			return text;
		},
	});
	return page;
}

/** The id that code hosts give a heading. A second one of the same text gets a number, too. */
function slugOf(text: string): string {
	return text
		.trim()
		.toLowerCase()
		.replace(/[^\p{L}\p{N}\s_-]/gu, "")
		.replaceAll(" ", "-");
}
