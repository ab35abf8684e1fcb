import { readPage } from "./page.ts";

/** What is looked at of a page. */
export interface MarkdownPage {
	headings: { text: string; id: string }[];
	/** Targets of its links and images, as they are written. */
	targets: string[];
}

/** Reads a page of the repository. Ids of headings are those that the code host gives them. */
export async function readMarkdown(path: string): Promise<MarkdownPage> {
	return parseMarkdown(await readPage(path));
}

export function parseMarkdown(text: string): MarkdownPage {
	const page: MarkdownPage = { headings: [], targets: [] };
	Bun.markdown.render(
		text,
		{
			heading: (text, { id = "" }) => {
				page.headings.push({ text, id });
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
		},
		{ headings: { ids: true } },
	);
	return page;
}
