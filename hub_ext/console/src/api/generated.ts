/* Made by `npm run types` from the service's OpenAPI document: do not edit. */

export interface paths {
    readonly "/announcements": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-announcements"];
        readonly put?: never;
        readonly post: operations["post-announcements"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/announcements/withdraw": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-announcements-withdraw"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/budgets": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-budgets"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/changes": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-changes"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/closings": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-closings"];
        readonly put?: never;
        readonly post: operations["post-closings"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/closings/open": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-closings-open"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/deliveries": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-deliveries"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/events": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-events"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/evictions": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-evictions"];
        readonly put?: never;
        readonly post: operations["post-evictions"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/gpus": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-gpus"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/history/export": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-history-export"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/hub/offers": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-hub-offers"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/hub/queue": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-hub-queue"];
        readonly put?: never;
        readonly post?: never;
        readonly delete: operations["delete-hub-queue"];
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/hub/slices": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-hub-slices"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/hub/slices/{slice_id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-hub-slices-slice_id"];
        readonly put?: never;
        readonly post?: never;
        readonly delete: operations["delete-hub-slices-slice_id"];
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/hub/slices/{slice_id}/pod": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-hub-slices-slice_id-pod"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/hub/slices/{slice_id}/started": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-hub-slices-slice_id-started"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/jobs": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-jobs"];
        readonly put?: never;
        readonly post: operations["post-jobs"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/jobs/{job_id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-jobs-job_id"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/jobs/{job_id}/again": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-jobs-job_id-again"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/jobs/{job_id}/cancel": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-jobs-job_id-cancel"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/jobs/{job_id}/log": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-jobs-job_id-log"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/jobs/forecast": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-jobs-forecast"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/lending": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-lending"];
        readonly put: operations["put-lending"];
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/queue": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-queue"];
        readonly put?: never;
        readonly post?: never;
        readonly delete: operations["delete-queue"];
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/quota": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-quota"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/quota/calendar": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-quota-calendar"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/quota/check": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-quota-check"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/quota/preview": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-quota-preview"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/quota/preview/history": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-quota-preview-history"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/quota/reload": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-quota-reload"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/quota/revisions": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-quota-revisions"];
        readonly put?: never;
        readonly post: operations["post-quota-revisions"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/quota/revisions/{revision}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-quota-revisions-revision"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/quota/rights": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-quota-rights"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/quota/rollback": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-quota-rollback"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/quota/tree": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-quota-tree"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/refusals": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-refusals"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/refusals/sums": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-refusals-sums"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/role": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-role"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/share": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-share"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/slices": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-slices"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/slices/{slice_id}/extend": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-slices-slice_id-extend"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/slices/{slice_id}/give-up": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-slices-slice_id-give-up"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/slices/{slice_id}/history": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-slices-slice_id-history"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/slices/{slice_id}/keep": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-slices-slice_id-keep"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/slices/{slice_id}/resize": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-slices-slice_id-resize"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/slices/{slice_id}/wake": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-slices-slice_id-wake"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/use": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-use"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/use/limits": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-use-limits"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/use/report": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-use-report"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/use/report/trial": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post: operations["post-use-report-trial"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/use/waits": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-use-waits"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/waits": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get: operations["get-waits"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        readonly AccountTemplate: {
            readonly driver_memory_limit: boolean;
            readonly environment: {
                readonly [key: string]: string;
            };
            readonly gid: number;
            readonly home: string;
            readonly notebook_dir: string;
            readonly pod: components["schemas"]["PodTemplate"] | null;
            readonly python: string;
            readonly uid: number;
        };
        readonly AheadInfo: {
            readonly advice: string;
            readonly at: string | null;
            readonly deed: string | null;
            readonly deed_s: number | null;
            readonly is_near: boolean;
            readonly kind: string;
            readonly notice_id: string;
            readonly slice_id: string | null;
            readonly what: string;
            readonly why: string;
            readonly why_no_deed: string;
        };
        readonly AnnouncementInfo: {
            readonly announcement_id: string;
            readonly audience: string;
            readonly made_at: string;
            readonly made_by: string;
            readonly name: string | null;
            readonly text: string;
            readonly until: string;
            readonly within: readonly string[];
        };
        readonly AnnouncementRequest: {
            readonly audience: components["schemas"]["Audience"];
            readonly name: string | null;
            readonly text: string;
            readonly until: string | null;
        };
        readonly Applied: {
            readonly about: components["schemas"]["RevisionInfo"] | null;
            readonly is_new: boolean;
            readonly part: string | null;
            readonly warnings: readonly string[];
        };
        readonly ApplyRequest: {
            readonly expect: number | null;
            readonly expect_part: string | null;
            readonly reason: string;
            readonly text: string;
        };
        readonly Audience: "all" | "owner" | "group" | "node" | "card";
        readonly BudgetInfo: {
            readonly at_end: string;
            readonly begins_at: string;
            readonly charged: number;
            readonly credited: number;
            readonly group: string;
            readonly hours: number;
            readonly is_over: boolean;
            readonly left: number;
            readonly line: number | null;
            readonly owner: string | null;
            readonly renews_at: string | null;
            readonly source: string;
            readonly warn: number;
        };
        readonly BudgetList: {
            readonly budgets: readonly components["schemas"]["BudgetInfo"][];
        };
        readonly CarbonFactors: {
            readonly as_of: string;
            readonly g_per_kwh: number;
            readonly pue: number;
            readonly source: string;
        };
        readonly CardsChanged: {
            readonly cards: readonly components["schemas"]["GpuInfo"][];
            readonly complete: boolean;
            readonly gone: readonly string[];
        };
        readonly ChannelInfo: {
            readonly channel: string;
            readonly failed: number;
            readonly problem: string | null;
            readonly problem_at: string | null;
            readonly sent: number;
            readonly waiting: number;
        };
        readonly ClaimInfo: {
            readonly calls_back: readonly components["schemas"]["ConcernedSlice"][];
            readonly gpu_id: string;
            readonly gpu_index: number;
            readonly gpu_type: string;
            readonly group: string | null;
            readonly in_the_way: readonly components["schemas"]["ConcernedSlice"][];
            readonly node: string;
        };
        readonly ClosingInfo: {
            readonly begins_at: string | null;
            readonly closed_at: string;
            readonly closed_by: string;
            readonly drains: boolean;
            readonly gpu_id: string | null;
            readonly gpu_index: number | null;
            readonly jobs: number;
            readonly node: string;
            readonly notebooks: number;
            readonly reason: string;
            readonly until: string | null;
        };
        readonly ClosingRequest: {
            readonly begins_at: string | null;
            readonly drain: boolean;
            readonly reason: string;
            readonly until: string | null;
            readonly where: string;
        };
        readonly ConcernedSlice: {
            readonly owner: string;
            readonly slice_id: string;
        };
        readonly DeliveriesInfo: {
            readonly channels: readonly components["schemas"]["ChannelInfo"][];
            readonly is_full: boolean;
            readonly reports: components["schemas"]["ReportsInfo"] | null;
        };
        readonly DriverLimit: "kept" | "old-driver" | "old-groups" | "no-group" | "not-alone" | "limited-above" | "mps" | "over-cap" | "refused" | "moving";
        readonly EventInfo: {
            readonly at: string;
            readonly bytes_mib: number;
            readonly detail: string;
            readonly event_id: string;
            readonly for_slice_id: string | null;
            readonly gpu_id: string | null;
            readonly kind: string;
            readonly node: string | null;
            readonly owner: string | null;
            readonly slice_id: string | null;
            readonly took_s: number;
        };
        readonly EvictionInfo: {
            readonly asked_at: string;
            readonly cancels: boolean;
            readonly due_at: string;
            readonly evicted_by: string;
            readonly eviction_id: string;
            readonly job_id: string | null;
            readonly owner: string;
            readonly reason: string;
            readonly server: string;
            readonly slice_id: string | null;
        };
        readonly EvictionRequest: {
            readonly cancel: boolean;
            readonly grace_s: number | null;
            readonly reason: string;
            readonly what: string;
        };
        readonly ExceptionInfo: {
            readonly groups: readonly string[];
            readonly is_over: boolean;
            readonly line: number | null;
            readonly sets: readonly string[];
            readonly until: string | null;
            readonly who: readonly string[];
            readonly why: string;
        };
        readonly ExcessInfo: {
            readonly beyond: string;
            readonly group: string | null;
            readonly held: string;
            readonly most: string;
            readonly owner: string | null;
        };
        readonly ForeignProcesses: {
            readonly count: number;
            readonly held_mib: number;
            readonly memory_told: boolean;
            readonly pids: readonly number[];
            readonly utilisation_percent: number | null;
        };
        readonly GpuInfo: {
            readonly closing: components["schemas"]["ClosingInfo"] | null;
            readonly kept_out: string | null;
            readonly node: string;
            readonly overcommit: number;
            readonly planned_closing: components["schemas"]["ClosingInfo"] | null;
            readonly pool: string;
            readonly promised_mib: number;
            readonly report: components["schemas"]["GpuReport"];
            readonly seen_at: string | null;
            readonly silent: boolean;
            readonly slices: readonly components["schemas"]["SliceInfo"][];
            readonly type_name: string | null;
        };
        readonly GpuReport: {
            readonly closed: string | null;
            readonly closed_for_good: boolean;
            readonly energy_mj: number | null;
            readonly foreign_processes: components["schemas"]["ForeignProcesses"] | null;
            readonly gpu_id: string;
            readonly host_memory_mib: number | null;
            readonly index: number;
            readonly lendable_mib: number;
            readonly margin_mib: number;
            readonly memory_mib: number;
            readonly simulated: boolean;
            readonly suspend_mib_per_s: number;
            readonly temperature_c: number | null;
            readonly type: string;
            readonly unfit: readonly components["schemas"]["ToldUnfit"][] | null;
            readonly unfrozen: components["schemas"]["NotFrozen"] | null;
            readonly used_mib: number;
            readonly utilisation_percent: number | null;
        };
        readonly GroupNode: {
            readonly budget: components["schemas"]["BudgetInfo"] | null;
            readonly line: number | null;
            readonly members: readonly string[];
            readonly over: readonly components["schemas"]["ExcessInfo"][];
            readonly share: components["schemas"]["GroupShare"];
            readonly weight: number;
        };
        readonly GroupShare: {
            readonly group: string | null;
            readonly held_cards: number;
            readonly held_mib: number;
            readonly jobs_apart: components["schemas"]["JobsShare"] | null;
            readonly left: boolean;
            readonly limit_cards: number | null;
            readonly limit_mib: number | null;
            readonly may_pay: boolean;
            readonly most_slices: number | null;
            readonly path: readonly string[];
            readonly slices: number;
            readonly types: readonly components["schemas"]["TypeShare"][];
        };
        readonly GroupWeek: {
            readonly before: components["schemas"]["WeekNumbers"];
            readonly group: string;
            readonly idle: readonly components["schemas"]["IdleHolder"][];
            readonly week: components["schemas"]["WeekNumbers"];
        };
        readonly HistoryDay: {
            readonly days: number;
            readonly lines: readonly string[];
        };
        readonly HistoryPoint: {
            readonly active: boolean;
            readonly at: string;
            readonly host_mib: number;
            readonly lent: boolean;
            readonly memory_mib: number;
            readonly state: components["schemas"]["SliceState"];
            readonly utilisation_percent: number;
        };
        readonly Holder: "notebook" | "job";
        readonly Holds: "kept" | "capped" | "not-needed" | "cannot" | "not-known";
        readonly IdleEnd: {
            readonly ends_at: string;
            readonly extended_until: string | null;
            readonly idle_since: string;
            readonly max_idle_s: number;
            readonly message: string;
            readonly server: string;
            readonly warned_at: string | null;
        };
        readonly IdleHolder: {
            readonly held: number;
            readonly idle: number;
            readonly owner: string;
        };
        readonly IdleSpared: {
            readonly idle_since: string;
            readonly job_id: string;
            readonly job_name: string;
            readonly message: string;
            readonly others: number;
            readonly runs: boolean;
        };
        readonly JobFailure: {
            readonly cell: number | null;
            readonly message: string;
            readonly name: string;
            readonly traceback: string;
        };
        readonly JobForecast: {
            readonly allowed: boolean;
            readonly basis: string;
            readonly expected_wait_s: number | null;
            readonly group: string | null;
            readonly max_run_s: number | null;
            readonly message: string;
            readonly notebook_checked: boolean;
            readonly place: number | null;
            readonly problem: components["schemas"]["Problem"] | null;
            readonly reason_code: string | null;
        };
        readonly JobForecastChange: {
            readonly after: string | null;
            readonly before: string | null;
            readonly group: string | null;
            readonly job_id: string;
            readonly owner: string;
        };
        readonly JobInfo: {
            readonly attempts: number;
            readonly cancelled_by: string | null;
            readonly cells_done: number;
            readonly cells_total: number | null;
            readonly current_cell: number | null;
            readonly ended_at: string | null;
            readonly exit_code: number | null;
            readonly expected_start: string | null;
            readonly failed_attempts: number;
            readonly failure: components["schemas"]["JobFailure"] | null;
            readonly gpus: number;
            readonly group: string | null;
            readonly job_id: string;
            readonly max_run_s: number | null;
            readonly memory_mib: number;
            readonly name: string;
            readonly notebook: string;
            readonly output_notebook: string | null;
            readonly output_path: string | null;
            readonly owner: string;
            readonly parameters: {
                readonly [key: string]: unknown;
            };
            readonly place: number | null;
            readonly priority: number;
            readonly progress: number | null;
            readonly reason: string;
            readonly reason_code: string | null;
            readonly retries: number;
            readonly slice: components["schemas"]["SliceInfo"] | null;
            readonly started_at: string | null;
            readonly state: components["schemas"]["JobState"];
            readonly stood_s: number;
            readonly stopped: string | null;
            readonly stopped_since: string | null;
            readonly submitted_at: string;
            readonly suspended_for: string | null;
            readonly take_along: readonly string[];
        };
        readonly JobLog: {
            readonly ended: boolean;
            readonly next_offset: number;
            readonly offset: number;
            readonly text: string;
        };
        readonly JobRequest: {
            readonly compute_milli: number;
            readonly environment: {
                readonly [key: string]: string;
            };
            readonly gpu_type: string | null;
            readonly gpus: number;
            readonly group: string | null;
            readonly max_run_s: number | null;
            readonly memory_mib: number | "whole";
            readonly name: string | null;
            readonly notebook: string;
            readonly parameters: {
                readonly [key: string]: unknown;
            };
            readonly priority: number;
            readonly retries: number;
            readonly take_along: readonly string[];
        };
        readonly JobsShare: {
            readonly held_cards: number;
            readonly held_mib: number;
            readonly limit_cards: number | null;
            readonly limit_mib: number | null;
            readonly most_running: number | null;
            readonly running: number;
            readonly types: readonly components["schemas"]["JobsTypeShare"][];
        };
        readonly JobState: "waiting" | "placed" | "running" | "done" | "failed" | "cancelled";
        readonly JobsTypeShare: {
            readonly gpu_type: string;
            readonly held: number;
            readonly limit: number | null;
        };
        readonly KeepRequest: {
            readonly minutes: number;
        };
        readonly KindHours: {
            readonly borrowed: number;
            readonly charged: number;
            readonly credited: number;
            readonly held: number;
            readonly idle: number;
            readonly lent: number;
            readonly suspended: number;
            readonly used: number;
        };
        readonly Lease: {
            readonly compute_milli: number;
            readonly created_at: string;
            readonly gpu_id: string;
            readonly gpu_index: number;
            readonly gpu_memory_mib: number;
            readonly gpu_type: string;
            readonly holder: components["schemas"]["Holder"];
            readonly memory_mib: number;
            readonly node: string;
            readonly owner: string;
            readonly pool: string;
            readonly server: string;
            readonly simulated: boolean;
            readonly size: string | null;
            readonly slice_id: string;
        };
        readonly LendingState: {
            readonly lending: boolean;
            readonly reason: string;
            readonly switched_at: string | null;
            readonly switched_by: string | null;
        };
        readonly LendingSwitch: {
            readonly lending: boolean;
            readonly reason: string;
        };
        readonly LentPeriod: {
            readonly from_: string;
            readonly to: string;
            readonly until: string;
        };
        readonly LimitsReport: {
            readonly limits: readonly components["schemas"]["ProposedLimit"][];
            readonly refused_percent: number;
            readonly since: string;
            readonly until: string;
        };
        readonly Loan: {
            readonly borrower: components["schemas"]["LoanParty"];
            readonly cards: number;
            readonly gpu_index: number;
            readonly gpu_type: string;
            readonly held_since: string;
            readonly kind: string;
            readonly lender: components["schemas"]["LoanParty"];
            readonly memory_mib: number;
            readonly node: string;
            readonly since: string | null;
        };
        readonly LoanParty: {
            readonly group: string | null;
            readonly job_id: string | null;
            readonly owner: string | null;
            readonly slice_id: string | null;
            readonly words: string;
        };
        readonly MadeAnnouncement: {
            readonly announcement_id: string;
            readonly audience: string;
            readonly made_at: string;
            readonly made_by: string;
            readonly name: string | null;
            readonly text: string;
            readonly until: string;
            readonly warning: string | null;
            readonly within: readonly string[];
        };
        readonly MoveReport: {
            readonly began: string;
            readonly bytes_mib: number;
            readonly elapsed_s: number | null;
            readonly expected_s: number;
            readonly kind: "suspending" | "resuming";
            readonly moved_mib: number | null;
        };
        readonly NoBody: Record<string, never>;
        readonly NotFrozen: "switched-off" | "no-control-groups" | "no-freezer" | "no-access" | "slice-without-group" | "outsiders-at-large";
        readonly Obstacle: "cuda-ipc" | "mps" | "not-supported" | "several-gpus" | "memory-unknown" | "profiler" | "engine" | "unreadable" | "failed-before" | "cannot-pause" | "lost";
        readonly Offer: {
            readonly allowed: boolean;
            readonly calls_back: number;
            readonly compute_milli: number;
            readonly gpu_type: string | null;
            readonly group: string | null;
            readonly memory_mib: number;
            readonly pool: string;
            readonly rank: components["schemas"]["ToldRank"] | null;
            readonly size: string;
            readonly title: string;
            readonly types: readonly string[] | null;
            readonly waits: boolean;
            readonly why_not: string | null;
        };
        readonly Offers: {
            readonly default: string | null;
            readonly groups: readonly string[];
            readonly message: string;
            readonly offers: readonly components["schemas"]["Offer"][];
            readonly own: components["schemas"]["GroupShare"];
            readonly owner: string;
            readonly told: readonly components["schemas"]["ShownAnnouncement"][];
        };
        readonly OpeningRequest: {
            readonly reason: string;
            readonly where: string;
        };
        readonly PastFigures: {
            readonly cells: components["schemas"]["PastWaits"];
            readonly held_h: number;
            readonly idle_h: number;
            readonly jobs: components["schemas"]["PastWaits"];
            readonly jobs_h: number;
            readonly lent_h: number;
            readonly refusals: readonly components["schemas"]["PastRefusal"][];
            readonly servers: components["schemas"]["PastWaits"];
            readonly suspended_h: number;
            readonly used_h: number;
        };
        readonly PastGroup: {
            readonly after: components["schemas"]["PastFigures"];
            readonly before: components["schemas"]["PastFigures"];
            readonly gain: number;
            readonly group: string | null;
            readonly lose: number;
        };
        readonly PastPerson: {
            readonly computed_after_h: number;
            readonly computed_before_h: number;
            readonly owner: string;
            readonly waited_after_h: number;
            readonly waited_before_h: number;
        };
        readonly PastPlace: {
            readonly ahead: number;
        };
        readonly PastPreviewInfo: {
            readonly asked_days: number;
            readonly begins: string;
            readonly cards: string;
            readonly ends: string;
            readonly gain_most: readonly components["schemas"]["PastPerson"][];
            readonly groups: readonly components["schemas"]["PastGroup"][];
            readonly in_all: components["schemas"]["PastGroup"];
            readonly left_out: number;
            readonly lose_most: readonly components["schemas"]["PastPerson"][];
            readonly notes: readonly string[];
            readonly people: number;
            readonly truth: components["schemas"]["PastTruth"];
            readonly unmet_after: components["schemas"]["PastUnmets"];
            readonly unmet_before: components["schemas"]["PastUnmets"];
        };
        readonly PastPreviewRequest: {
            readonly days: number;
            readonly text: string;
        };
        readonly PastProblem: {
            readonly message: string;
        };
        readonly PastProgress: {
            readonly part: number;
            readonly stage: string;
        };
        readonly PastRefusal: {
            readonly asked: number;
            readonly never: number;
            readonly reason: string;
            readonly what: string;
        };
        readonly PastTruth: {
            readonly hours: number | null;
            readonly lines: readonly components["schemas"]["PastTruthLine"][];
            readonly worst_wait: number | null;
        };
        readonly PastTruthLine: {
            readonly count: number;
            readonly error: number | null;
            readonly group: string | null;
            readonly real: number;
            readonly simulated: number;
            readonly unit: string;
            readonly what: string;
        };
        readonly PastUnmet: {
            readonly at: string;
            readonly group: string | null;
            readonly owner: string | null;
            readonly what: string;
            readonly why: string;
        };
        readonly PastUnmets: {
            readonly first: components["schemas"]["PastUnmet"] | null;
            readonly times: number;
        };
        readonly PastWaits: {
            readonly count: number;
            readonly half_s: number;
            readonly never: number;
            readonly of_95_s: number;
            readonly of_99_s: number;
        };
        readonly PlacedProblem: {
            readonly column: number | null;
            readonly key: string;
            readonly line: number;
            readonly message: string;
        };
        readonly PlacedWarning: {
            readonly key: string;
            readonly line: number | null;
            readonly message: string;
        };
        readonly PodStarted: {
            readonly cap_kept_by: readonly string[] | null;
            readonly namespace: string;
            readonly node: string | null;
            readonly pod_name: string;
            readonly pod_uid: string;
            readonly takes: components["schemas"]["TakenOfNode"] | null;
            readonly template: components["schemas"]["PodTemplate"] | null;
        };
        readonly PodTemplate: {
            readonly container_security_context: {
                readonly [key: string]: unknown;
            };
            readonly image: string;
            readonly image_pull_policy: string | null;
            readonly image_pull_secrets: readonly string[];
            readonly namespace: string;
            readonly node_selector: {
                readonly [key: string]: string;
            };
            readonly pod_security_context: {
                readonly [key: string]: unknown;
            };
            readonly runtime_class_name: string | null;
            readonly tolerations: readonly {
                readonly [key: string]: unknown;
            }[];
            readonly volume_mounts: readonly {
                readonly [key: string]: unknown;
            }[];
            readonly volumes: readonly {
                readonly [key: string]: unknown;
            }[];
        };
        readonly PreviewRequest: {
            readonly text: string;
        };
        readonly Problem: {
            readonly helps: readonly components["schemas"]["ToldHelp"][];
            readonly message: string;
            readonly numbers: {
                readonly [key: string]: number;
            };
            readonly reason: components["schemas"]["RefusalReason"] | string;
            readonly waits_for: readonly string[];
            readonly why: components["schemas"]["ToldDerivation"] | null;
        };
        readonly ProposedLimit: {
            readonly cards: number;
            readonly gpu_type: string | null;
            readonly group: string | null;
            readonly held_hours: number;
            readonly most: number;
            readonly of_each: boolean;
        };
        readonly QueueWait: {
            readonly before: number;
            readonly expected_at: string | null;
            readonly expected_why: string;
            readonly group: string | null;
            readonly message: string;
            readonly owner: string;
            readonly place: number;
            readonly pool: string;
            readonly server: string;
            readonly since: string;
            readonly size: string | null;
            readonly title: string;
            readonly until: string;
            readonly waits_for: readonly string[];
        };
        readonly QuotaCalendar: {
            readonly begins_at: string;
            readonly ends_at: string;
            readonly exceptions: readonly components["schemas"]["ExceptionInfo"][];
            readonly left_out: number;
            readonly reservations: readonly components["schemas"]["ReservationInfo"][];
        };
        readonly QuotaCheck: {
            readonly left_out: number;
            readonly problems: readonly components["schemas"]["PlacedProblem"][];
            readonly warnings: readonly components["schemas"]["PlacedWarning"][];
        };
        readonly QuotaInForce: {
            readonly document: {
                readonly [key: string]: unknown;
            };
            readonly errors: readonly string[];
            readonly groups: readonly string[] | null;
            readonly kept_in: string;
            readonly loaded_at: string | null;
            readonly part: string | null;
            readonly path: string | null;
            readonly revision: number | null;
            readonly text: string;
            readonly warnings: readonly string[];
        };
        readonly QuotaPreviewInfo: {
            readonly at: string;
            readonly beyond: readonly components["schemas"]["ExcessInfo"][];
            readonly brought_back: readonly components["schemas"]["ConcernedSlice"][];
            readonly budgets: readonly components["schemas"]["BudgetInfo"][];
            readonly claims: readonly components["schemas"]["ClaimInfo"][];
            readonly groups: readonly string[] | null;
            readonly jobs: readonly components["schemas"]["JobForecastChange"][];
            readonly jobs_are_planned: boolean;
            readonly left_out: number;
            readonly people: number;
            readonly placed: readonly components["schemas"]["PlacedWarning"][];
            readonly ranks: readonly components["schemas"]["RankForecast"][];
            readonly reservations: readonly string[];
            readonly revision: number | null;
            readonly rights: readonly components["schemas"]["RightForecast"][];
            readonly unmet: readonly string[];
            readonly warnings: readonly string[];
        };
        readonly QuotaRights: {
            readonly groups: readonly string[];
            readonly groups_known: boolean;
            readonly owner: string;
            readonly rights: readonly components["schemas"]["RightLine"][];
        };
        readonly QuotaShare: {
            readonly budgets: readonly components["schemas"]["BudgetInfo"][];
            readonly groups: readonly components["schemas"]["GroupShare"][];
            readonly keep_left_minutes: number;
            readonly own: components["schemas"]["GroupShare"];
            readonly rights: readonly components["schemas"]["RightLine"][];
        };
        readonly QuotaTree: {
            readonly at: string;
            readonly groups: readonly components["schemas"]["GroupNode"][];
            readonly left_out: number;
            readonly outside: components["schemas"]["GroupShare"];
            readonly over: readonly components["schemas"]["ExcessInfo"][];
            readonly people: number;
            readonly revision: number | null;
            readonly unmet: readonly string[];
        };
        readonly RankForecast: {
            readonly after: components["schemas"]["ToldRank"];
            readonly at: string | null;
            readonly before: components["schemas"]["ToldRank"];
            readonly group: string | null;
            readonly owner: string;
            readonly slice_id: string;
        };
        readonly RefusalInfo: {
            readonly code: string;
            readonly compute_milli: number | null;
            readonly first_at: string;
            readonly gpu_type: string | null;
            readonly gpus: number | null;
            readonly groups: readonly string[];
            readonly holder: string;
            readonly last_at: string;
            readonly memory_mib: number | null;
            readonly message: string;
            readonly numbers: {
                readonly [key: string]: number;
            };
            readonly owner: string;
            readonly pool: string | null;
            readonly refusal_id: string;
            readonly size: string | null;
            readonly times: number;
        };
        readonly RefusalReason: "unknown-pool" | "unknown-size" | "unknown-group" | "size-not-allowed" | "bad-amount" | "larger-than-gpu" | "user-limit" | "group-limit" | "too-many-slices" | "no-room" | "no-gpu" | "gpu-closed" | "bad-notebook" | "bad-parameters" | "bad-files" | "unknown-kernel" | "no-account" | "no-jobs" | "too-many-jobs" | "no-disk" | "priority-not-allowed" | "keep-budget" | "budget-spent" | "below-held" | "pod-refused";
        readonly RefusalSum: {
            readonly code: string;
            readonly group: string | null;
            readonly last_at: string;
            readonly owners: number;
            readonly times: number;
        };
        readonly ReportsInfo: {
            readonly made_at: string | null;
            readonly more_without: number;
            readonly next_at: string | null;
            readonly problem: string | null;
            readonly receivers: number;
            readonly week: string | null;
            readonly without: readonly string[];
        };
        readonly ReportTrial: {
            readonly channel: string;
            readonly problem: string | null;
            readonly was_sent: boolean;
            readonly week: string;
        };
        readonly ReportTrialRequest: {
            readonly channel: string;
            readonly group: string | null;
            readonly week: string | null;
        };
        readonly ReservationInfo: {
            readonly at: string;
            readonly cards: string;
            readonly group: string;
            readonly line: number | null;
            readonly name: string;
            readonly times: readonly components["schemas"]["ReservedSpan"][];
            readonly until: string | null;
            readonly zone: string;
        };
        readonly ReservedSpan: {
            readonly begins_at: string;
            readonly ends_at: string;
        };
        readonly ResizeRequest: {
            readonly compute_milli: number | null;
            readonly memory_mib: number | null;
            readonly size: string | null;
        };
        readonly RevisionInfo: {
            readonly author: string;
            readonly change: string | null;
            readonly groups: readonly string[];
            readonly in_force: boolean;
            readonly is_part: boolean;
            readonly keys_changed: number;
            readonly made_at: string;
            readonly reason: string;
            readonly revision: number | null;
            readonly role: string | null;
        };
        readonly RevisionText: {
            readonly about: components["schemas"]["RevisionInfo"];
            readonly text: string;
            readonly text_before: string | null;
        };
        readonly RightForecast: {
            readonly after: string | null;
            readonly before: string | null;
            readonly group: string | null;
            readonly named: readonly string[];
            readonly people: number;
            readonly right: string;
        };
        readonly RightLine: {
            readonly group: string | null;
            readonly line: number | null;
            readonly right: string;
            readonly source: string;
            readonly value: string;
        };
        readonly RoleInfo: {
            readonly all_groups: readonly string[];
            readonly groups: readonly string[];
            readonly role: string;
        };
        readonly RollbackRequest: {
            readonly expect: number;
            readonly reason: string;
            readonly revision: number;
        };
        readonly Share: {
            readonly agents_silent: readonly string[];
            readonly ahead: readonly components["schemas"]["AheadInfo"][];
            readonly announcements: readonly components["schemas"]["ShownAnnouncement"][];
            readonly groups_known: boolean;
            readonly jobs_running: number;
            readonly jobs_stopped: number;
            readonly jobs_waiting: number;
            readonly lending: boolean;
            readonly offers: readonly components["schemas"]["Offer"][];
            readonly owner: string;
            readonly quota: components["schemas"]["QuotaShare"] | null;
            readonly servers_waiting: number;
            readonly slices: readonly components["schemas"]["SliceInfo"][];
            readonly week: components["schemas"]["WeekUse"] | null;
        };
        readonly ShareKept: "by-turns" | "capped" | "by-mig" | "by-mps" | "by-hami" | "by-volcano" | "not-needed" | "not-pausable" | "long-kernels" | "on-several-cards" | "waits-for-program" | "runs-on" | "alone-pausable" | "others-wait-for-programs" | "foreign-use" | "too-many" | "moving" | "closed" | "not-told" | "turns-off" | "driver-waits" | "turns-lapsed" | "being-measured" | "not-measured";
        readonly ShownAnnouncement: {
            readonly announcement_id: string;
            readonly from_admin: boolean;
            readonly made_at: string;
            readonly text: string;
            readonly until: string;
        };
        readonly SliceHistory: {
            readonly cap_mib: number;
            readonly points: readonly components["schemas"]["HistoryPoint"][];
            readonly slice_id: string;
            readonly step_s: number;
        };
        readonly SliceInfo: {
            readonly came_at: string | null;
            readonly came_from: number | null;
            readonly cap_kept: components["schemas"]["ToldCapKept"] | null;
            readonly compute_kept: components["schemas"]["ToldShareKept"] | null;
            readonly group: string | null;
            readonly idle_end: components["schemas"]["IdleEnd"] | null;
            readonly idle_spared: components["schemas"]["IdleSpared"] | null;
            readonly kept_until: string | null;
            readonly last_lent: components["schemas"]["LentPeriod"] | null;
            readonly lease: components["schemas"]["Lease"];
            readonly lent_since: string | null;
            readonly lent_to: readonly string[];
            readonly moving_to: number | null;
            readonly rank: components["schemas"]["ToldRank"] | null;
            readonly report: components["schemas"]["SliceReport"] | null;
            readonly seen_at: string | null;
            readonly silent: boolean;
            readonly standing: components["schemas"]["ToldStanding"] | null;
            readonly waits_for: readonly string[];
            readonly warnings: readonly components["schemas"]["ToldWarning"][];
        };
        readonly SliceReport: {
            readonly active: boolean;
            readonly compute_foreign_percent: number | null;
            readonly compute_kept: components["schemas"]["ShareKept"] | null;
            readonly compute_most_milli: number | null;
            readonly driver_limit: components["schemas"]["DriverLimit"] | null;
            readonly gate_open: boolean;
            readonly gpu_busy_ms: number;
            readonly gpu_id: string | null;
            readonly host_mib: number;
            readonly lent_to: readonly string[];
            readonly memory_mib: number;
            readonly memory_told: boolean;
            readonly move: components["schemas"]["MoveReport"] | null;
            readonly obstacle: components["schemas"]["Obstacle"] | null;
            readonly over_cap: boolean;
            readonly over_cap_since: string | null;
            readonly pids: readonly number[];
            readonly quiet_since: string | null;
            readonly running_cell: boolean;
            readonly since: string;
            readonly slice_id: string;
            readonly state: components["schemas"]["SliceState"];
            readonly stays: string | null;
            readonly unsuspendable: string | null;
            readonly utilisation_percent: number | null;
            readonly wait: components["schemas"]["WaitReport"] | null;
        };
        readonly SliceRequest: {
            readonly account: components["schemas"]["AccountTemplate"];
            readonly cap_kept_by: readonly string[] | null;
            readonly compute_kept_by: components["schemas"]["ShareKept"] | null;
            readonly compute_milli: number | null;
            readonly gpu_type: string | null;
            readonly group: string | null;
            readonly groups: readonly string[];
            readonly home_claim: string | null;
            readonly memory_mib: number | null;
            readonly never_suspended: string | null;
            readonly owner: string;
            readonly pool: string | null;
            readonly server: string;
            readonly size: string | null;
            readonly start_options: {
                readonly [key: string]: unknown;
            } | null;
            readonly takes: components["schemas"]["TakenOfNode"] | null;
        };
        readonly SliceStarted: {
            readonly root_pid: number;
            readonly root_start_time: number;
            readonly unit_group: string | null;
        };
        readonly SliceState: "resident" | "paused" | "suspended";
        readonly TakenOfNode: {
            readonly cpu_milli: number;
            readonly memory_mib: number;
            readonly of_cap_milli: number;
        };
        readonly ToldCapKept: {
            readonly by: readonly string[];
            readonly meaning: string;
            readonly words: string;
        };
        readonly ToldDerivation: {
            readonly group: string | null;
            readonly group_in_message: boolean;
            readonly lines: readonly components["schemas"]["ToldLine"][];
            readonly rule: string;
            readonly words: string;
        };
        readonly ToldHelp: {
            readonly compute_milli: number | null;
            readonly kind: string;
            readonly memory_mib: number | null;
            readonly names: readonly string[];
            readonly words: string;
        };
        readonly ToldLine: {
            readonly in_message: boolean;
            readonly line: number | null;
            readonly path: string;
        };
        readonly ToldRank: {
            readonly as_before_until: string | null;
            readonly back_at: string | null;
            readonly code: string;
            readonly meaning: string;
            readonly word: string;
        };
        readonly ToldShareKept: {
            readonly code: string;
            readonly holds: components["schemas"]["Holds"] | string;
            readonly meaning: string;
            readonly words: string;
        };
        readonly ToldStanding: {
            readonly code: string;
            readonly meaning: string;
            readonly word: string;
        };
        readonly ToldUnfit: {
            readonly detail: string;
            readonly why: components["schemas"]["Unfit"];
        };
        readonly ToldWarning: {
            readonly advice: string;
            readonly clause: string;
            readonly code: string;
        };
        readonly Topic: "share" | "jobs" | "waits" | "lending" | "evictions" | "notices" | "quota";
        readonly TopicsChanged: {
            readonly topics: readonly components["schemas"]["Topic"][];
        };
        readonly TypeShare: {
            readonly borrowed: number | null;
            readonly entitled: number;
            readonly gpu_type: string;
            readonly guaranteed: number;
            readonly held: number;
            readonly jobs: number;
            readonly limit: number | null;
        };
        readonly Unfit: "being-checked" | "driver" | "driver-unloads" | "mps" | "exclusive" | "split" | "unreadable" | "occupied" | "canary-not-started" | "canary-not-moved" | "canary-stuck" | "canary-lost" | "canary-changed" | "memory-left";
        readonly UseReport: {
            readonly carbon: components["schemas"]["CarbonFactors"] | null;
            readonly rows: readonly components["schemas"]["UseRow"][];
            readonly since: string;
            readonly until: string;
            readonly zone: string;
        };
        readonly UseRow: {
            readonly busy_hours: number | null;
            readonly carbon_g: number | null;
            readonly card_hours: number;
            readonly energy_wh: number | null;
            readonly kinds: components["schemas"]["KindHours"] | null;
            readonly lent_hours: number | null;
            readonly memory_gib_hours: number;
            readonly of: {
                readonly [key: string]: string;
            };
            readonly slice_hours: number;
        };
        readonly WaitedReport: {
            readonly rows: readonly components["schemas"]["WaitedRow"][];
            readonly since: string;
            readonly until: string;
            readonly zone: string;
        };
        readonly WaitedRow: {
            readonly at_once: number;
            readonly count: number;
            readonly kind: string;
            readonly longest_s: number;
            readonly median_s: number;
            readonly of: {
                readonly [key: string]: string;
            };
            readonly p95_s: number;
        };
        readonly WaitForOwner: {
            readonly gpu_index: number;
            readonly job_id: string | null;
            readonly kind: string;
            readonly node: string;
            readonly server: string;
            readonly since: string;
            readonly slice_id: string;
            readonly who: string;
        };
        readonly Waiting: {
            readonly code: string;
            readonly expected_at: string | null;
            readonly expected_why: string;
            readonly gpu_index: number | null;
            readonly gpu_type: string | null;
            readonly group: string | null;
            readonly helps: readonly components["schemas"]["ToldHelp"][];
            readonly job_id: string | null;
            readonly job_name: string;
            readonly kind: string;
            readonly node: string | null;
            readonly owner: string;
            readonly place: number | null;
            readonly rank: components["schemas"]["ToldRank"] | null;
            readonly reason: string;
            readonly server: string;
            readonly since: string;
            readonly slice_id: string | null;
            readonly waits_for: readonly string[];
        };
        readonly WaitReason: "coming-back" | "making-room" | "turn" | "called-back" | "over-cap" | "owners-active" | "not-idle-yet" | "reserved" | "give-back-too-slow" | "lending-off" | "foreign-process" | "unfit-gpu" | "host-memory" | "unsuspendable" | "gpu-closed" | "held-back";
        readonly WaitReport: {
            readonly free_mib: number;
            readonly need_mib: number;
            readonly place: number;
            readonly reason: components["schemas"]["WaitReason"];
            readonly turn_ends: string | null;
            readonly waits_for: readonly string[];
        };
        readonly WaitsReport: {
            readonly as_of: string;
            readonly for_owner: readonly components["schemas"]["WaitForOwner"][];
            readonly loans: readonly components["schemas"]["Loan"][];
            readonly sums: readonly components["schemas"]["WaitSum"][];
            readonly total_loans: number;
            readonly total_waiting: number;
            readonly waiting: readonly components["schemas"]["Waiting"][];
        };
        readonly WaitSum: {
            readonly code: string;
            readonly count: number;
            readonly kind: string;
        };
        readonly WeekNumbers: {
            readonly carbon_g: number | null;
            readonly energy_wh: number | null;
            readonly hours: components["schemas"]["KindHours"];
            readonly refusals: readonly components["schemas"]["WeekRefusal"][];
            readonly waits: readonly components["schemas"]["WeekWait"][];
        };
        readonly WeekRefusal: {
            readonly code: string;
            readonly owners: number;
            readonly times: number;
        };
        readonly WeekReport: {
            readonly carbon: components["schemas"]["CarbonFactors"] | null;
            readonly groups: readonly components["schemas"]["GroupWeek"][];
            readonly is_over: boolean;
            readonly since: string;
            readonly until: string;
            readonly week: string;
            readonly zone: string;
        };
        readonly WeekUse: {
            readonly energy_wh: number | null;
            readonly gpu_hours: number;
            readonly lent_hours: number;
            readonly since: string;
        };
        readonly WeekWait: {
            readonly count: number;
            readonly kind: string;
            readonly median_s: number;
            readonly p95_s: number;
        };
        readonly WithdrawalRequest: {
            readonly announcement_id: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    readonly "get-announcements": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": readonly components["schemas"]["AnnouncementInfo"][];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-announcements": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["AnnouncementRequest"];
            };
        };
        readonly responses: {
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["MadeAnnouncement"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-announcements-withdraw": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["WithdrawalRequest"];
            };
        };
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["AnnouncementInfo"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-budgets": {
        readonly parameters: {
            readonly query?: {
                readonly group?: string;
                readonly owner?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["BudgetList"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-changes": {
        readonly parameters: {
            readonly query?: {
                readonly cards?: number;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "text/event-stream": components["schemas"]["CardsChanged"] | components["schemas"]["TopicsChanged"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-closings": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": readonly components["schemas"]["ClosingInfo"][];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-closings": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["ClosingRequest"];
            };
        };
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ClosingInfo"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-closings-open": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["OpeningRequest"];
            };
        };
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": readonly components["schemas"]["ClosingInfo"][];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-deliveries": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["DeliveriesInfo"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-events": {
        readonly parameters: {
            readonly query?: {
                readonly before?: string;
                readonly limit?: number;
                readonly owner?: string;
                readonly since?: string;
                readonly until?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly "Sublet-Next"?: string;
                    readonly "Sublet-Total"?: number;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": readonly components["schemas"]["EventInfo"][];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-evictions": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": readonly components["schemas"]["EvictionInfo"][];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-evictions": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["EvictionRequest"];
            };
        };
        readonly responses: {
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["EvictionInfo"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-gpus": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": readonly components["schemas"]["GpuInfo"][];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-history-export": {
        readonly parameters: {
            readonly query?: {
                readonly day?: number;
                readonly hide_groups?: number;
                readonly names?: number;
                readonly since?: string;
                readonly until?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["HistoryDay"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-hub-offers": {
        readonly parameters: {
            readonly query: {
                readonly group?: string;
                readonly groups?: readonly string[];
                readonly never_suspended?: number;
                readonly owner: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Offers"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-hub-queue": {
        readonly parameters: {
            readonly query: {
                readonly owner: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": readonly components["schemas"]["QueueWait"][];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "delete-hub-queue": {
        readonly parameters: {
            readonly query: {
                readonly owner: string;
                readonly server?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-hub-slices": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["SliceRequest"];
            };
        };
        readonly responses: {
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Lease"];
                };
            };
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["QueueWait"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-hub-slices-slice_id": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly slice_id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SliceInfo"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "delete-hub-slices-slice_id": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly slice_id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-hub-slices-slice_id-pod": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly slice_id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["PodStarted"];
            };
        };
        readonly responses: {
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-hub-slices-slice_id-started": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly slice_id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["SliceStarted"];
            };
        };
        readonly responses: {
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-jobs": {
        readonly parameters: {
            readonly query?: {
                readonly before?: string;
                readonly group?: string;
                readonly limit?: number;
                readonly order?: string;
                readonly owner?: string;
                readonly state?: readonly string[];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly "Sublet-Next"?: string;
                    readonly "Sublet-Total"?: number;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": readonly components["schemas"]["JobInfo"][];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-jobs": {
        readonly parameters: {
            readonly query?: {
                readonly server?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["JobRequest"];
            };
        };
        readonly responses: {
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["JobInfo"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-jobs-job_id": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly job_id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["JobInfo"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-jobs-job_id-again": {
        readonly parameters: {
            readonly query?: {
                readonly server?: string;
            };
            readonly header?: never;
            readonly path: {
                readonly job_id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["NoBody"];
            };
        };
        readonly responses: {
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["JobInfo"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-jobs-job_id-cancel": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly job_id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["JobInfo"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-jobs-job_id-log": {
        readonly parameters: {
            readonly query?: {
                readonly offset?: number;
            };
            readonly header?: never;
            readonly path: {
                readonly job_id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["JobLog"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-jobs-forecast": {
        readonly parameters: {
            readonly query?: {
                readonly look?: number;
                readonly owner?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["JobRequest"];
            };
        };
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["JobForecast"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-lending": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["LendingState"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "put-lending": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["LendingSwitch"];
            };
        };
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["LendingState"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-queue": {
        readonly parameters: {
            readonly query?: {
                readonly all?: number;
                readonly owner?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": readonly components["schemas"]["QueueWait"][];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "delete-queue": {
        readonly parameters: {
            readonly query?: {
                readonly owner?: string;
                readonly server?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-quota": {
        readonly parameters: {
            readonly query?: {
                readonly group?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["QuotaInForce"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-quota-calendar": {
        readonly parameters: {
            readonly query?: {
                readonly group?: string;
                readonly since?: string;
                readonly until?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["QuotaCalendar"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-quota-check": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["PreviewRequest"];
            };
        };
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["QuotaCheck"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-quota-preview": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["PreviewRequest"];
            };
        };
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["QuotaPreviewInfo"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-quota-preview-history": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["PastPreviewRequest"];
            };
        };
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "text/event-stream": components["schemas"]["PastPlace"] | components["schemas"]["PastProgress"] | components["schemas"]["PastProblem"] | components["schemas"]["PastPreviewInfo"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-quota-reload": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["QuotaInForce"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-quota-revisions": {
        readonly parameters: {
            readonly query?: {
                readonly group?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": readonly components["schemas"]["RevisionInfo"][];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-quota-revisions": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["ApplyRequest"];
            };
        };
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Applied"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-quota-revisions-revision": {
        readonly parameters: {
            readonly query?: {
                readonly group?: string;
            };
            readonly header?: never;
            readonly path: {
                readonly revision: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RevisionText"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-quota-rights": {
        readonly parameters: {
            readonly query?: {
                readonly owner?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["QuotaRights"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-quota-rollback": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["RollbackRequest"];
            };
        };
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Applied"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-quota-tree": {
        readonly parameters: {
            readonly query?: {
                readonly group?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["QuotaTree"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-refusals": {
        readonly parameters: {
            readonly query?: {
                readonly before?: string;
                readonly code?: string;
                readonly limit?: number;
                readonly owner?: string;
                readonly since?: string;
                readonly until?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly "Sublet-Next"?: string;
                    readonly "Sublet-Total"?: number;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": readonly components["schemas"]["RefusalInfo"][];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-refusals-sums": {
        readonly parameters: {
            readonly query?: {
                readonly by?: string;
                readonly code?: string;
                readonly format?: string;
                readonly group?: string;
                readonly owner?: string;
                readonly since?: string;
                readonly until?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": readonly components["schemas"]["RefusalSum"][];
                    readonly "text/csv": string;
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-role": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RoleInfo"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-share": {
        readonly parameters: {
            readonly query?: {
                readonly owner?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Share"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-slices": {
        readonly parameters: {
            readonly query?: {
                readonly group?: string;
                readonly owner?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": readonly components["schemas"]["SliceInfo"][];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-slices-slice_id-extend": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly slice_id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["NoBody"];
            };
        };
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SliceInfo"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-slices-slice_id-give-up": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly slice_id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["NoBody"];
            };
        };
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SliceInfo"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-slices-slice_id-history": {
        readonly parameters: {
            readonly query?: {
                readonly since?: string;
            };
            readonly header?: never;
            readonly path: {
                readonly slice_id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SliceHistory"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-slices-slice_id-keep": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly slice_id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["KeepRequest"];
            };
        };
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SliceInfo"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-slices-slice_id-resize": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly slice_id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["ResizeRequest"];
            };
        };
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SliceInfo"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-slices-slice_id-wake": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly slice_id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SliceInfo"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-use": {
        readonly parameters: {
            readonly query?: {
                readonly by?: readonly string[];
                readonly format?: string;
                readonly group?: string;
                readonly owner?: string;
                readonly since?: string;
                readonly until?: string;
                readonly zone?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["UseReport"];
                    readonly "text/csv": string;
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-use-limits": {
        readonly parameters: {
            readonly query?: {
                readonly format?: string;
                readonly percent?: number;
                readonly since?: string;
                readonly until?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["LimitsReport"];
                    readonly "text/csv": string;
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-use-report": {
        readonly parameters: {
            readonly query?: {
                readonly format?: string;
                readonly group?: string;
                readonly week?: string;
                readonly zone?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["WeekReport"];
                    readonly "text/html": string;
                    readonly "text/plain": string;
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "post-use-report-trial": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["ReportTrialRequest"];
            };
        };
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ReportTrial"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-use-waits": {
        readonly parameters: {
            readonly query?: {
                readonly by?: readonly string[];
                readonly format?: string;
                readonly group?: string;
                readonly owner?: string;
                readonly since?: string;
                readonly until?: string;
                readonly zone?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["WaitedReport"];
                    readonly "text/csv": string;
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly "get-waits": {
        readonly parameters: {
            readonly query?: {
                readonly all?: number;
                readonly group?: string;
                readonly owner?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["WaitsReport"];
                };
            };
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 401: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 429: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
