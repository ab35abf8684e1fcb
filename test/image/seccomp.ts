import { existsSync, readFileSync } from "node:fs";

/** The profile that Debian's container tools use, in Docker's format. It comes with buildah. */
const PROFILE = "/usr/share/containers/seccomp.json";
/** Calls that newer runtimes refuse in every container. A relay that needs one would work here and fail there. */
const REFUSED = /^io_uring_/;
const ARCHES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

interface Rule {
	names: string[];
	includes?: { arches?: string[]; caps?: string[] };
}

/**
 * The system calls that a container without capabilities may make, in the format of the OCI's runtimes; null if this machine has
 * no such profile.
 */
export function defaultSeccomp(): object | null {
	const arch = ARCHES[process.arch];
	if (!existsSync(PROFILE) || arch === undefined) return null;
	const profile = JSON.parse(readFileSync(PROFILE, "utf8")) as {
		defaultAction: string;
		defaultErrnoRet: number;
		syscalls: Rule[];
	};
	const isMeant = ({ includes = {} }: Rule): boolean =>
		(includes.caps?.length ?? 0) === 0 && (includes.arches?.includes(arch) ?? true);
	return {
		defaultAction: profile.defaultAction,
		defaultErrnoRet: profile.defaultErrnoRet,
		syscalls: profile.syscalls
			.filter(isMeant)
			.map(({ includes: _, ...rule }) => withoutDocker(rule))
			.map((rule) => ({ ...rule, names: rule.names.filter((name) => !REFUSED.test(name)) })),
	};
}

/** Leaves out the fields that only Docker knows. */
function withoutDocker(
	rule: Rule & { excludes?: object; comment?: string; errno?: string; args?: object[] | null },
): Rule {
	const { excludes: _, comment: __, errno: ___, args, ...rest } = rule;
	return args === null || args === undefined ? rest : { ...rest, ...{ args } };
}
