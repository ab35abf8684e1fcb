import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { LOCALHOST_CERTIFICATE, LOCALHOST_KEY } from "../../bench/rig/localhost-certificate.ts";
import { programPath } from "./programs.ts";

const DEPLOY = resolve(import.meta.dir, "..", "..", "deploy");

/** How a proxy of deploy/ is started before a relay. */
export interface ProxyKind {
	program: string;
	/**
	 * Writes what the proxy needs into a folder, from its file of deploy/.
	 * @returns the command, with its environment
	 */
	prepare(place: ProxyPlace): { command: string[]; env: Record<string, string> };
	/** The certificate by which clients trust it, once it answers. */
	authority(folder: string): string;
}

export interface ProxyPlace {
	/** Empty, and the proxy's own. */
	folder: string;
	/** On which it listens for TLS. */
	port: number;
	/** Where the relay listens: `ADDRESS:PORT`. */
	relay: string;
}

const CADDY: ProxyKind = {
	program: "caddy",
	prepare({ folder, port, relay }) {
		const path = join(folder, "Caddyfile");
		// For the name localhost Caddy makes the certificate itself.
		const options = `{\n\thttp_port 0\n\tskip_install_trust\n\tauto_https disable_redirects\n\tadmin off\n}\n`;
		writeFileSync(path, `${options}\nimport ${join(DEPLOY, "caddy", "Caddyfile")}\n`);
		return {
			command: [programPath("caddy"), "run", "--config", path, "--adapter", "caddyfile"],
			env: { RELAY_DOMAIN: `localhost:${port}`, RELAY_UPSTREAM: relay, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
		};
	},
	authority: (folder) => readFileSync(join(folder, "caddy", "pki", "authorities", "local", "root.crt"), "utf8"),
};

const NGINX: ProxyKind = {
	program: "nginx",
	prepare({ folder, port, relay }) {
		writeFileSync(join(folder, "fullchain.pem"), LOCALHOST_CERTIFICATE);
		writeFileSync(join(folder, "privkey.pem"), LOCALHOST_KEY);
		const site = readFileSync(join(DEPLOY, "nginx", "standpipe.conf"), "utf8")
			.replaceAll("/etc/letsencrypt/live/relay.example.com", folder)
			.replaceAll("relay.example.com", "localhost")
			.replaceAll("443 ssl", `${port} ssl`)
			.replaceAll("127.0.0.1:2470", relay);
		const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
			.map((name) => `${name}_temp_path ${join(folder, name)};`)
			.join("\n");
		const path = join(folder, "nginx.conf");
		writeFileSync(
			path,
			`daemon off;\npid ${join(folder, "pid")};\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n${paths}\n${site}\n}\n`,
		);
		return { command: [programPath("nginx"), "-c", path, "-p", folder, "-e", "stderr"], env: {} };
	},
	authority: () => LOCALHOST_CERTIFICATE,
};

export const PROXIES = { caddy: CADDY, nginx: NGINX } as const;

/** A port that nobody listened on just now. */
export async function freePort(): Promise<number> {
	const server = createServer();
	await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
	const address = server.address();
	await new Promise((done) => server.close(done));
	if (address === null || typeof address === "string") throw new Error("the server has no port");
	return address.port;
}
