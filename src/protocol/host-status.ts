/** Host states of `com.atproto.sync.defs#hostStatus`. */
export type HostStatus = "active" | "idle" | "offline" | "throttled" | "banned";
