import { describe, expect, test } from "bun:test";
import { readPage } from "../docs/page.ts";
import { findKustomize, renderOverlay } from "./kustomize.ts";
import { configMap, cronJob, ingress, objectsIn, ofKind, statefulSet } from "./objects.ts";

const kustomize = findKustomize();

interface Example {
	page: string;
	yaml: string;
}

/** The overlays that a page shows, without the indentation of a list. */
async function examplesOn(page: string): Promise<Example[]> {
	const text = await readPage(page);
	return [...text.matchAll(/^( *)```yaml\n([\s\S]*?)^ *```$/gm)]
		.map(([, indent = "", yaml = ""]) => ({ page, yaml: yaml.replaceAll(new RegExp(`^${indent}`, "gm"), "") }))
		.filter(({ yaml }) => /^kind: Kustomization$/m.test(yaml));
}

const examples = [...(await examplesOn("k8s/README.md")), ...(await examplesOn("docs/operations.md"))];

/** An example as its reader gets it, with the folders of this tree instead of those of a repository. */
function rendered({ yaml }: Example): string {
	if (typeof kustomize === "string") throw new Error(kustomize);
	const hosts = JSON.stringify(["pds.example.com"]);
	const write = (at: (folder: string) => string): string =>
		yaml.replace(/github\.com\/OWNER\/standpipe\/k8s\/([\w/]+)\?ref=TAG/g, (_, folder: string) => at(folder));
	return renderOverlay(kustomize, write, { "hosts.json": hosts });
}

describe.skipIf(typeof kustomize === "string")("the overlays that pages show", () => {
	test("are found on both pages", () => {
		const pages = examples.map(({ page }) => page);
		expect(pages).toEqual(["k8s/README.md", "k8s/README.md", "docs/operations.md"]);
	});

	test.each(examples)("render, and put all in one namespace with one image: $page", (example) => {
		const yaml = rendered(example);
		const namespaces = objectsIn(yaml).map(({ metadata }) => metadata["namespace"]);
		expect(new Set(namespaces)).toEqual(new Set(["relay"]));
		const images = [
			...ofKind(statefulSet, "StatefulSet", yaml).map(({ spec }) => spec.template.spec.containers[0].image),
			...ofKind(cronJob, "CronJob", yaml).map(({ spec }) => spec.jobTemplate.spec.template.spec.containers[0].image),
		];
		for (const image of images) expect(image).toMatch(/^registry\.example\.com\/standpipe:\d/);
		expect(images.length).toBeGreaterThan(0);
	});

	test("set the name of a single node's relay wherever it stands, and the list of its hosts", () => {
		const yaml = examples.map(rendered).find((text) => text.includes("kind: Ingress\n")) ?? "";
		expect(yaml).not.toContain("relay.example.com");
		for (const { spec } of ofKind(ingress, "Ingress", yaml)) {
			expect(spec.rules.map(({ host }) => host)).toEqual(["relay.example.org"]);
			expect(spec.tls.map(({ hosts }) => hosts)).toEqual([["relay.example.org"]]);
		}
		const [job] = ofKind(cronJob, "CronJob", yaml);
		const [volume] = job?.spec.jobTemplate.spec.template.spec.volumes ?? [];
		const maps = ofKind(configMap, "ConfigMap", yaml).filter(
			({ metadata }) => metadata.name === volume?.configMap.name,
		);
		expect(maps.map(({ data }) => data)).toEqual([{ "hosts.json": '["pds.example.com"]' }]);
	});
});
