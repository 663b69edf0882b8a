// A day's work through openapi-fetch and the generated types: `day.ts URL NAME` prints what came of it, as JSON; day.py does
// the same.

import createClient, { type Client } from "openapi-fetch";

import type { components, paths } from "./api.d.ts";

declare const process: { argv: string[] };

type Schemas = components["schemas"];
type Api = Client<paths>;
type Answer<Data> = { data?: Data; error?: unknown; response: Response };

const PASSWORD = "correct horse battery staple";
const STATUSES: Schemas["Status"][] = ["todo", "in_progress", "in_review", "done", "cancelled"];
const PRIORITIES: Schemas["Priority"][] = ["none", "low", "medium", "high"];

// @ts-expect-error The compiler must find this, else that it finds nothing says nothing.
STATUSES satisfies Schemas["Priority"][];

/** The answer, which must not be a refusal. */
function got<Data>({ data, error }: Answer<Data>): Data {
  if (data === undefined) throw new Error(JSON.stringify(error));
  return data;
}

/** What a refusal says: status, code and pointers. */
function refusal(answer: { error?: Schemas["Problem"]; response: Response }): unknown[] {
  const { error, response } = answer;
  if (error === undefined) throw new Error(`${response.url} was answered ${response.status}`);
  if (response.headers.get("Content-Type") !== "application/problem+json") throw new Error("no problem");
  if (response.headers.get("X-Request-ID") !== error.request_id) throw new Error("another request");
  return [response.status, error.code, (error.errors ?? []).map((each) => each.pointer)];
}

/** How many tasks there are in all, and those of this page. */
function page(answer: Answer<Schemas["Task"][]>): [number, Schemas["Task"][]] {
  const pagination = JSON.parse(answer.response.headers.get("X-Pagination") ?? "") as Schemas["Pagination"];
  return [pagination.total, got(answer)];
}

/** The day that is so many days after the first of 2027. */
function day(number: number): string {
  return new Date(Date.UTC(2027, 0, 1 + number)).toISOString().slice(0, 10);
}

/** A new user who is logged in. */
async function signUp(url: string, username: string): Promise<Api> {
  const anyone = createClient<paths>({ baseUrl: url });
  got(
    await anyone.POST("/api/v1/auth/register", {
      body: { email: `${username}@example.com`, username, password: PASSWORD },
    }),
  );
  const tokens = got(await anyone.POST("/api/v1/auth/login", { body: { username, password: PASSWORD } }));
  return createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${tokens.access_token}` } });
}

/** The user of this name. */
async function user(api: Api, search: string): Promise<Schemas["UserBrief"]> {
  const [found] = got(await api.GET("/api/v1/users", { params: { query: { search } } }));
  if (found === undefined) throw new Error(`There is no ${search}`);
  return found;
}

/** A team of the caller and another. */
async function makeTeam(api: Api, other: Schemas["UserBrief"]): Promise<Schemas["Team"]> {
  const team = got(await api.POST("/api/v1/teams", { body: { name: "Web" } }));
  const path = { team_id: team.id, user_id: other.id };
  got(await api.PUT("/api/v1/teams/{team_id}/members/{user_id}", { params: { path }, body: { role: "member" } }));
  return team;
}

/** One of a hundred tasks. */
function newTask(number: number, project: Schemas["Project"], tag: Schemas["Tag"]): Schemas["TaskCreate"] {
  return {
    title: `Task ${String(number).padStart(3, "0")}`,
    project_id: project.id,
    status: STATUSES[number % 5]!,
    priority: PRIORITIES[number % 4]!,
    due_date: day(number),
    tag_ids: number % 4 === 0 ? [tag.id] : [],
  };
}

/** How many tasks each filter finds. */
async function filters(api: Api, first: Schemas["Task"]): Promise<Record<string, number>> {
  type Filter = NonNullable<paths["/api/v1/tasks"]["get"]["parameters"]["query"]>;
  const queries: Record<string, Filter> = {
    status: { status: ["todo", first.status, "done"] },
    priority: { priority: ["high"] },
    both: { status: ["todo"], priority: ["high"] },
    tag: { tag: ["BUG"] },
    due: { due_after: day(0), due_before: day(11) },
    search: { search: "task 04" },
    "nobody's": { assigned_to: ["none"], project_id: [first.project_id] },
  };
  const found: Record<string, number> = {};
  for (const [name, query] of Object.entries(queries)) {
    found[name] = page(await api.GET("/api/v1/tasks", { params: { query } }))[0];
  }
  return found;
}

/** A change, one that comes too late, and one that takes back; with what is read in between. */
async function changes(api: Api, task: Schemas["Task"], bob: string): Promise<unknown[]> {
  const url = "/api/v1/tasks/{task_id}";
  const path = { task_id: task.id };
  const etag = (await api.GET(url, { params: { path } })).response.headers.get("ETag") ?? "";
  const unchanged = await api.GET(url, { params: { path, header: { "If-None-Match": etag } } });
  const guarded = { path, header: { "If-Match": etag } };
  const body = { assigned_to_id: bob, due_date: null, status: "done" } as const;
  const changed = got(await api.PATCH(url, { params: guarded, body }));
  const late = await api.PATCH(url, { params: guarded, body: { title: "Late" } });
  const freed = got(await api.PATCH(url, { params: { path }, body: { assigned_to_id: null } }));
  if (changed.assigned_to?.id !== bob || changed.completed_at === null) throw new Error("not as asked");
  return [unchanged.response.status, changed.status, changed.due_date, changed.title, freed.assigned_to, refusal(late)];
}

/** The day. */
async function main(url: string, name: string): Promise<Record<string, unknown>> {
  const ada = await signUp(url, `${name}-ada`);
  const bob = await signUp(url, `${name}-bob`);
  const wrong = { username: `${name}-ada`, password: "wrong" };
  const stranger = refusal(await createClient<paths>({ baseUrl: url }).POST("/api/v1/auth/login", { body: wrong }));
  const other = await user(ada, `${name}-bob`);
  const team = await makeTeam(ada, other);
  const project = got(await ada.POST("/api/v1/projects", { body: { name: "Website", key: "WEB" } }));
  const taken = refusal(await ada.POST("/api/v1/projects", { body: { name: "Web", key: "WEB" } }));
  const shared = await ada.PUT("/api/v1/projects/{project_id}/teams/{team_id}", {
    params: { path: { project_id: project.id, team_id: team.id } },
    body: { role: "viewer" },
  });
  const tag = got(await ada.POST("/api/v1/tags", { body: { name: "bug", project_id: project.id } }));

  const create = (number: number, key: string) =>
    ada.POST("/api/v1/tasks", { params: { header: { "Idempotency-Key": key } }, body: newTask(number, project, tag) });
  const tasks: Schemas["Task"][] = [];
  for (let number = 0; number < 100; number++) tasks.push(got(await create(number, `task-${number}`)));
  const again = await create(0, "task-0");
  const [zero, one, seven, last] = [tasks[0]!, tasks[1]!, tasks[7]!, tasks[99]!];
  const found = await filters(ada, one);
  const pages: [number, Schemas["Task"][]][] = [];
  for (let number = 1; number < 6; number++) {
    const query = { page: number, page_size: 30, sort: "-priority,title" };
    pages.push(page(await ada.GET("/api/v1/tasks", { params: { query } })));
  }
  const rows = pages.flatMap(([, each]) => each);

  const task = (id: string) => ({ params: { path: { task_id: id } } });
  const seen = got(await bob.GET("/api/v1/tasks/{task_id}", task(seven.id)));
  const changed = await changes(ada, zero, other.id);
  const refused: Record<string, unknown[]> = {
    stranger,
    key: taken,
    title: refusal(await ada.POST("/api/v1/tasks", { body: { title: " " } })),
    page: refusal(await ada.GET("/api/v1/tasks", { params: { query: { page: 0 } } })),
    viewer: refusal(await bob.PATCH("/api/v1/tasks/{task_id}", { ...task(one.id), body: { title: "Mine" } })),
    unseen: refusal(await bob.GET("/api/v1/tasks/{task_id}", task(project.id))),
  };
  const deleted = await ada.DELETE("/api/v1/tasks/{task_id}", task(last.id));
  refused["deleted"] = refusal(await ada.DELETE("/api/v1/tasks/{task_id}", task(last.id)));
  const archived = got(
    await ada.PATCH("/api/v1/projects/{project_id}", {
      params: { path: { project_id: project.id } },
      body: { archived: true },
    }),
  );
  refused["archived"] = refusal(await ada.POST("/api/v1/tasks", { body: newTask(0, project, tag) }));
  const out = await ada.POST("/api/v1/auth/logout");
  refused["logged out"] = refusal(await ada.GET("/api/v1/tasks/{task_id}", task(zero.id)));
  return {
    shared: shared.response.status,
    refs: [zero.ref, last.ref],
    again: [got(again).id === zero.id, again.response.headers.get("Idempotent-Replayed")],
    found,
    pages: pages.map(([total, each]) => [total, each.length]),
    distinct: new Set(rows.map((row) => row.id)).size,
    first: [rows[0]?.title, rows[0]?.priority],
    seen: seen.title,
    changed,
    deleted: deleted.response.status,
    archived: archived.archived_at !== null,
    "logged out": out.response.status,
    refused,
  };
}

const [url, name] = process.argv.slice(2) as [string, string];
console.log(JSON.stringify(await main(url, name)));
