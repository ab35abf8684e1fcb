/** Whether a path is the dashboard's. */
export function isDashboardPath(path: string): boolean {
	return path === "/" || path.startsWith("/dashboard/");
}
