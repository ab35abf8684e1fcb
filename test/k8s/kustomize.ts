import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "..", "..");
const K8S = join(ROOT, "k8s");
const TOOLS = join(ROOT, ".tools");
/** Older ones, such as that of Debian 12's kubectl, know neither `labels` nor components. */
const VERSION_MIN = "5.0.0";

/** The command that renders a folder, or a sentence that says why there is none. */
export function findKustomize(): string[] | string {
	const own = join(TOOLS, "bin", "kustomize");
	if (existsSync(own)) return [own, "build"];
	if (Bun.which("kubectl") === null) return "there is no kubectl";
	const { stdout } = Bun.spawnSync(["kubectl", "version", "--client"]);
	const version = /Kustomize Version: v([\d.]+)/.exec(stdout.toString())?.[1] ?? "0.0.0";
	if (Bun.semver.order(version, VERSION_MIN) >= 0) return ["kubectl", "kustomize"];
	return `kubectl's kustomize is older than ${VERSION_MIN}`;
}

/** The program that checks objects against Kubernetes' schemas; null if `install.sh` could not install it. */
export function findValidator(): string | null {
	const path = join(TOOLS, "kubernetes-validate", "bin", "kubernetes-validate");
	return existsSync(path) ? path : null;
}

/**
 * Renders a folder below k8s/ as YAML.
 * @param components folders there of what an overlay may add
 * @throws {Error} with what kustomize says
 */
export function render(kustomize: readonly string[], folder: string, components: readonly string[] = []): string {
	return renderOverlay(kustomize, (at) => JSON.stringify({ resources: [at(folder)], components: components.map(at) }));
}

/**
 * Renders an overlay of an operator's as YAML.
 * @param write makes its kustomization.yaml. It is given what tells the path of a folder below k8s/
 * @param files what else is in the overlay's folder, by name
 * @throws {Error} with what kustomize says
 */
export function renderOverlay(
	kustomize: readonly string[],
	write: (at: (folder: string) => string) => string,
	files: Readonly<Record<string, string>> = {},
): string {
	const overlay = mkdtempSync(join(tmpdir(), "standpipe-k8s-"));
	try {
		// It takes folders by relative paths only.
		const at = (path: string): string => relative(realpathSync(overlay), join(K8S, path));
		for (const [name, text] of Object.entries({ ...files, "kustomization.yaml": write(at) }))
			writeFileSync(join(overlay, name), text);
		const { stdout, stderr, success } = Bun.spawnSync([...kustomize, overlay]);
		if (!success) throw new Error(stderr.toString());
		return stdout.toString();
	} finally {
		rmSync(overlay, { recursive: true });
	}
}
