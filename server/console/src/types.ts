// The objects of slipway.dev/v1alpha1 as the API sends them, as far as they are shown.

export interface Meta {
  name: string;
  namespace?: string;
  resourceVersion?: string;
  creationTimestamp?: string;
  labels?: Record<string, string>;
}

export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}

export interface RefStatus {
  commit: string;
  before?: string;
  sequence: number;
  seen: string;
  via: string;
  by?: string;
  noRun?: string;
}

export interface Repository {
  metadata: Meta;
  spec?: { url?: string; defaultBranch?: string; publicBadge?: boolean };
  status?: {
    refs?: Record<string, RefStatus>;
    defaultBranch?: string;
    sequence?: number;
    mergeRequests?: MergeRequest[];
    lastPolled?: string;
    polling?: { every: string; message?: string; told?: string };
    conditions?: Condition[];
  };
}

export interface MergeRequest {
  number: number;
  title?: string;
  author?: string;
  source: string;
  fork?: boolean;
  sourceProject?: string;
  target: string;
  commit?: string;
  sequence?: number;
  state: "opened" | "merged" | "closed";
  draft?: boolean;
  url?: string;
  updated: string;
  message?: string;
}

/** Delivery is a webhook that came, and what was made of it. */
export interface Delivery {
  number: number;
  forge: string;
  id: string;
  event: { kind?: string; name: string; refs?: { name: string; before?: string; after?: string }[]; mergeRequest?: MergeRequest };
  headers?: Record<string, string>;
  size: number;
  truncated?: boolean;
  received: string;
  outcome?: "done" | "ignored" | "refused" | "failed";
  message?: string;
  by?: string;
  body?: string;
}

export type Phase = "Pending" | "Running" | "Succeeded" | "Failed" | "Canceled" | "Skipped";

export interface Image {
  name: string;
  digest: string;
  commit?: string;
  run?: string;
}

export interface Job {
  name: string;
  stage?: string;
  needs?: string[];
  phase: Phase;
  message?: string;
  allowFailure?: boolean;
  manual?: boolean;
  attempt?: number;
  exitCode?: number;
  startedAt?: string;
  finishedAt?: string;
  images?: Image[];
  artifacts?: boolean;
  artifactsExpire?: string;
  exposed?: { name: string; path?: string };
  startAt?: string;
  by?: string;
  environment?: string;
  environmentURL?: string;
  group?: string;
  child?: string;
  coverage?: string;
  tests?: Tests;
  reason?: string;
  confirmation?: string;
  approvedBy?: string;
  attempts?: Attempt[];
}

export interface Attempt {
  number: number;
  phase: Phase;
  exitCode?: number;
  message?: string;
  child?: string;
  startedAt?: string;
  finishedAt?: string;
}

export interface Tests {
  total: number;
  failed: number;
  skipped: number;
  errors: number;
  seconds?: string;
}

export interface RunAction {
  verb: "play" | "unplay" | "approve" | "cancel" | "retry" | "from";
  job: string;
  by?: string;
  at: string;
}

export interface Problem {
  file?: string;
  line?: number;
  column?: number;
  rule?: string;
  message: string;
  hint?: string;
}

export interface Run {
  metadata: Meta;
  spec: {
    repository: string;
    commit: string;
    ref: string;
    sequence: number;
    cause: string;
    by?: string;
    variables?: Record<string, string>;
    parent?: { run: string; job: string };
    schedule?: string;
    target?: string;
    mergeRequest?: { number: number; title?: string; author?: string; source: string; fork?: boolean; sourceProject?: string; url?: string };
    actions?: RunAction[];
  };
  status?: {
    phase?: Phase;
    message?: string;
    queued?: string;
    approval?: { reason: string; by?: string; at?: string };
    children?: string[];
    coverage?: string;
    tests?: Tests;
    problems?: Problem[];
    pipeline?: string;
    startedAt?: string;
    finishedAt?: string;
    jobs?: Job[];
  };
}

/** Variable is a CI variable; its value never comes back. */
export interface Variable {
  name: string;
  repository?: string;
  environment?: string;
  branch?: string;
  protected?: boolean;
  visible?: boolean;
  raw?: boolean;
  file?: boolean;
  by?: string;
  at?: string;
}

export interface Schedule {
  metadata: Meta;
  spec: { repository: string; ref?: string; cron: string; timeZone?: string; suspend?: boolean; by?: string };
  status?: { last?: string; lastRun?: string; next?: string; message?: string };
}

export interface Deployment {
  run: string;
  job: string;
  commit: string;
  ref?: string;
  by?: string;
  phase: Phase;
  at: string;
}

export interface Environment {
  metadata: Meta;
  spec: { repository: string; name: string };
  status?: {
    state?: string;
    tier?: string;
    url?: string;
    run?: string;
    job?: string;
    commit?: string;
    ref?: string;
    by?: string;
    deployedAt?: string;
    onStop?: string;
    autoStopAt?: string;
    history?: Deployment[];
  };
}

export interface Desired {
  inputs?: { version?: string; digest?: string };
  commit: string;
  sequence: number;
  images?: Image[];
  run?: string;
  by?: string;
  /** the full name of the branch or tag that led to the commit, or the commit that was named */
  revision?: string;
  /** push, revision, pipeline, manual, inputs, promotion, rollback (written back) or generator */
  cause?: string;
  promotion?: string;
}

export interface ObjectReference {
  group?: string;
  version: string;
  kind: string;
  namespace?: string;
  name: string;
  health?: string;
  message?: string;
}

export interface Application {
  metadata: Meta;
  spec: {
    source: { repository?: string; branch?: string; tag?: string; semver?: string; commit?: string; path?: string; renderer?: string; helm?: { chart?: string; repository?: string; version?: string } };
    namespace?: string;
    sync?: string;
    desired?: Desired;
    pin?: number;
    pinnedBy?: string;
    deletion?: string;
    needs?: string[];
    windows?: { kind: string; schedule: string; duration: string; timeZone?: string; manual?: boolean }[];
    promotion?: { from: string; approvals?: number };
    syncOptions?: { drift?: string; prune?: boolean; createNamespace?: boolean };
    healthDeadline?: string;
  };
  status?: {
    current?: number;
    healthy?: number;
    last?: number;
    health?: string;
    sync?: string;
    message?: string;
    refused?: Desired;
    unchanged?: { commit: string; sequence: number; by?: string };
    inventory?: ObjectReference[];
    addresses?: string[];
    drift?: { kind: string; name: string; fields?: string[]; managers?: string[]; missing?: boolean; healed?: boolean; lastSeen?: string }[];
    waiting?: { reason: string; message: string; until?: string; since: string };
    conditions?: Condition[];
  };
}

export interface Promotion {
  metadata: Meta;
  spec: { from: string; release: number; to: string; by?: string };
  status?: { phase?: string; desired?: Desired; required?: number; approvals?: { by: string; at: string }[]; rejectedBy?: string; message?: string };
}

export interface ApplicationSet {
  metadata: Meta;
  spec: { repository: string; limit?: number };
  status?: {
    count?: number;
    applications?: { name: string; directory?: string; branch?: string; number?: number; commit?: string; namespace?: string; phase: string; release?: number; health?: string; sync?: string; addresses?: string[]; message?: string }[];
    conditions?: Condition[];
  };
}

export interface FieldConflict {
  object: string;
  manager: string;
  fields: string[] | null;
}

export interface Evidence {
  kind: string;
  object?: string;
  text: string;
}

export interface Release {
  metadata: Meta;
  spec: { application: string; number: number; desired: Desired; subject?: string; author?: string };
  status?: {
    result?: string;
    reason?: string;
    evidence?: Evidence[];
    rolledBackTo?: number;
    sync?: { phase?: string; wave?: number; hooks?: { kind: string; name: string; phase?: string; wave?: number; state?: string; message?: string }[] };
    conflicts?: FieldConflict[];
    startedAt?: string;
    finishedAt?: string;
  };
}

export interface Component {
  name: string;
  ready: boolean;
  message?: string;
  since?: string;
}

export type Kind = "Repository" | "Run" | "Application" | "Release" | "Schedule" | "Environment" | "Promotion" | "ApplicationSet";

export interface Kinds {
  Repository: Repository;
  Run: Run;
  Application: Application;
  Release: Release;
  Schedule: Schedule;
  Environment: Environment;
  Promotion: Promotion;
  ApplicationSet: ApplicationSet;
}

/** Asked is a variable that a file asks for, AskedInput an input of it. */
export interface Asked {
  name: string;
  description?: string;
  value?: string;
  options?: string[];
}

export interface AskedInput {
  name: string;
  type: string;
  description?: string;
  required?: boolean;
  default?: unknown;
  options?: unknown[];
}

/** Form is what may be filled in for a run of a ref. */
export interface Form {
  ref: string;
  commit: string;
  description?: string;
  variables: Asked[];
  inputs: AskedInput[];
  problems?: Problem[];
}

/** Alert is one that fires, as Alertmanager has it. */
export interface Alert {
  labels: Record<string, string>;
  annotations?: Record<string, string>;
  startsAt: string;
  /** active, or suppressed by a silence or by another alert */
  state: string;
  silencedBy?: string[];
  inhibited?: boolean;
}

/** Silence keeps the alerts that match from being sent. */
export interface Silence {
  id?: string;
  matchers: string[];
  comment: string;
  createdBy?: string;
  endsAt: string;
  /** active, pending or expired */
  state?: string;
}
