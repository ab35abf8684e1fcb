import { existsSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";

/** What an image says of how it is run, as Docker writes it. */
export interface ImageConfig {
	User: string;
	Env: string[];
	Entrypoint: string[];
	Cmd: string[];
	WorkingDir: string;
	Volumes: Record<string, object>;
	ExposedPorts: Record<string, object>;
	StopSignal: string;
	Healthcheck: { Test: string[] };
}

/** An image that `build.sh` has built. */
export interface Image {
	/** The folder with its files. */
	root: string;
	config: ImageConfig;
}

/** Reads what `build.sh` left in a folder: an image, or the reason why there is none. */
export function readImage(folder: string): Image | string {
	const reason = join(folder, "unavailable");
	if (existsSync(reason)) return readFileSync(reason, "utf8").trim();
	const { Docker } = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as {
		Docker: { config: ImageConfig };
	};
	return { root: realpathSync(join(folder, "root")), config: Docker.config };
}
