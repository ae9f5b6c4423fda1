// epic run: builds the module if it is stale, then becomes the supervisor, or starts one in the background.

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>

#include "cli/commands/table.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/machines/local_machines.hpp"
#include "cli/output/humanize.hpp"
#include "cli/output/log_printer.hpp"
#include "cli/output/relay.hpp"
#include "cli/project/build.hpp"
#include "cli/project/context.hpp"
#include "cli/project/credentials.hpp"
#include "cli/project/fabric_search.hpp"
#include "cli/project/joining.hpp"
#include "cli/project/machine_address.hpp"
#include "cli/project/machine_paths.hpp"
#include "cli/project/service_manager.hpp"
#include "cluster/coordination/open_coordination.hpp"
#include "cluster/supervisor/supervisor.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

constexpr OptionSpec kRunOptions[] = {
    {.name = "nodes",
     .letter = 'N',
     .value = "N",
     .summary = "How many nodes, from 1 to 64",
     .environment = "EPIC_NODES",
     .fallback = "[fabric] nodes in epic.toml",
     .check = whole_number(1, kNodesMax)},
    {.name = "detach", .letter = 'd', .summary = "Return when the fabric is ready, and leave it running"},
    {.name = "join",
     .value = "[FABRIC]",
     .summary = "Add nodes to a running fabric, from a directory of their own: HOST:PORT of one of its machines, or "
                "several with commas between, which are asked at once; its NAME, if it has [cluster] beacon; or the "
                "directory of its project on this machine. Alone: the fabric of this project, by [cluster] machines "
                "or its beacon, or the one that this directory has joined before"},
    {.name = "listen",
     .value = "ADDRESS",
     .summary = "Let other machines join, at this address (HOST or HOST:PORT) of this one; they need the secret",
     .environment = "EPIC_LISTEN",
     .fallback = "[cluster] listen in epic.toml; after --join HOST:PORT the address that leads there"},
    {.name = "secret-file",
     .value = "FILE",
     .summary = "The fabric's secret",
     .environment = "EPIC_SECRET_FILE",
     .fallback = "[cluster] secret_file in epic.toml",
     .completes = Completes::file},
    {.name = "certificates",
     .value = "DIR",
     .summary = "Instead of a secret: authority.pem, certificate.pem and key.pem of this machine",
     .environment = "EPIC_CERTIFICATES",
     .fallback = "[cluster] certificates in epic.toml",
     .completes = Completes::directory},
    {.name = "machines",
     .value = "N",
     .summary = "Rehearse: N machines with --nodes each, as processes of this computer",
     .check = whole_number(2, static_cast<std::int64_t>(kMachinesMax))},
    {.name = "machine",
     .value = "NAME",
     .summary = "The name of this machine, which the fabric adds a number to",
     .fallback = "the host's name"},
    {.name = "exit-after-setup", .summary = "Stop when the module's setup has returned, and exit with what came of it"},
    {.name = "no-prefix", .summary = "Log messages without the node in front"},
    {.name = "debugger", .summary = "Do not kill nodes that stop answering, so that a debugger can pause them"},
};

constexpr ExitNote kRunExitCodes[] = {
    {ExitCode::failed,
     "it did not start; it is running already; setup failed, with --exit-after-setup; its store is damaged; or it "
     "could not save all at its end"},
    {ExitCode::build_failed, "the module did not compile or link, or a node cannot load it"},
    {ExitCode::interrupted, "a second Ctrl-C ended it at once"},
};

// All but the module.
cluster::SupervisorOptions supervisor_options(const Project& project, const fs::path& node_program, std::int64_t nodes,
                                              const std::string& machine_name) {
  const Manifest& manifest = project.manifest;
  cluster::SupervisorOptions options;
  options.project_name = manifest.name;
  options.project_directory = project.paths.root;
  options.node_program = fs::absolute(node_program);
  options.version = EPIC_VERSION;
  options.node_count = static_cast<std::uint16_t>(nodes);
  options.shard_count = static_cast<std::uint32_t>(manifest.shards);
  options.store = project.paths.store;
  options.run_directory = project.paths.run_root;
  if (manifest.coordination != kAlone) options.coordination = manifest.coordination;
  options.joins = project.paths.has_joined();
  options.manifest = manifest.text;
  options.machine_name = machine_name;
  options.beacon = manifest.beacon;
  options.lease = manifest.lease;
  options.lease_margin = manifest.lease_margin;
  options.fabric.idle_age = manifest.idle_age;
  options.fabric.memory_budget_bytes = manifest.memory_budget_bytes;
  options.fabric.call_deadline = manifest.call_timeout;
  options.fabric.grace = manifest.grace;
  options.fabric.blocking_threads = static_cast<std::uint32_t>(manifest.blocking_threads);
  options.fabric.blocking_queue = static_cast<std::uint32_t>(manifest.blocking_queue);
  options.fabric.files_folder = manifest.files_folder;
  options.fabric.turn_report = manifest.turn_report;
  options.fabric.log_level = manifest.log_level;
  options.restart = {.delay_first = manifest.restart_delay_first,
                     .delay_max = manifest.restart_delay_max,
                     .forget_after = manifest.restart_forget_after};
  options.silence_max = manifest.silence_max;
  options.turn_max = manifest.turn_max;
  return options;
}

// Console output while a fabric runs.
class Narrator {
 public:
  Narrator(Console& console, const Project& project, LogShape shape)
      : console_(console), project_(project), printer_(console, shape, std::string_view("supervisor").size()) {}

  void on_log(const protocol::LogLine& line) {
    if (console_.verbosity() < 0 && line.level < protocol::LogLevel::warn) return;
    printer_.print(protocol::row_of(line));
    static_cast<void>(console_.flush());
  }

  /// `credentials`: the option by which another machine proves that it belongs to the fabric.
  void on_ready(const cluster::FabricReady& ready, std::string_view credentials) {
    std::string text = fmt::format("{} {}: {} in {}\n", bold(project_.manifest.name),
                                   project_.paths.has_joined() ? "has more nodes" : "is up",
                                   count_of(ready.nodes.size(), "node", "nodes"), human_duration(ready.took));
    const auto line = [&](const std::string& name, const std::string& what) {
      text += fmt::format("  {:<10}  {}\n", name, what);
    };
    for (const auto& node : ready.nodes) line(node.name, fmt::format("process {}", node.pid));
    line("supervisor", fmt::format("process {}", ready.pid));
    line("control", relative(ready.control_socket));
    if (!ready.address.empty()) line("machines", fmt::format("epic run --join {} {}", ready.address, credentials));
    line("state", ready.store.empty() ? "in memory only" : relative(ready.store));
    line("logs", relative(ready.log_directory));
    console_.note(text);
  }

  void on_event(const cluster::SupervisorEvent& event) {
    switch (event.kind) {
      case cluster::SupervisorEventKind::setup_done:
        console_.detail("setup is done");
        return;
      case cluster::SupervisorEventKind::setup_failed:
        console_.error({.what = "the module's setup failed", .why = event.text});
        return;
      case cluster::SupervisorEventKind::stopping:  // its log line says so
      case cluster::SupervisorEventKind::setting_up:
        return;
      case cluster::SupervisorEventKind::killing:
        console_.warn(fmt::format("killing what still runs ({})", event.text));
        return;
      case cluster::SupervisorEventKind::stopped:
        console_.note(project_.paths.store.keeps_state()
                          ? "Stopped; state is kept in " + relative(project_.paths.store.shown())
                          : "Stopped");
        return;
    }
  }

  void on_error(const cluster::SupervisorError& error) { console_.error(failure_of(error)); }

  void finish() { printer_.finish(); }

 private:
  std::string bold(const std::string& text) const { return console_.paint(Stream::err, Paint::bold, text); }
  // Paths below the project are shown relative to it, as the user sees them.
  std::string relative(const fs::path& path) const {
    const fs::path inside = path.lexically_relative(project_.paths.root);
    return inside.empty() || inside.native().starts_with("..") ? path.string() : inside.string();
  }

  Console& console_;
  const Project& project_;
  LogPrinter printer_;
};

// As long as nodes are supervised, nothing waits for those who read what is printed.
class RelayedConsole {
 public:
  explicit RelayedConsole(Console& console) : console_(console) { console_.set_relay(&relay_); }
  RelayedConsole(const RelayedConsole&) = delete;
  RelayedConsole& operator=(const RelayedConsole&) = delete;
  ~RelayedConsole() { console_.set_relay(nullptr); }

 private:
  Console& console_;
  Relay relay_;
};

void print_ready_json(Console& console, const cluster::FabricReady& ready) {
  boost::json::array nodes;
  for (const auto& node : ready.nodes)
    nodes.push_back(boost::json::object{{"node", node.name}, {"pid", node.pid}, {"socket", node.socket.string()}});
  console.print_json(boost::json::object{
      {"pid", ready.pid},
      {"nodes", std::move(nodes)},
      {"control_socket", ready.control_socket.string()},
      {"store", ready.store.empty() ? boost::json::value(nullptr) : boost::json::value(ready.store.string())},
      {"logs", ready.log_directory.string()},
      {"took_ms", ready.took.count()}});
}

// A machine of theirs that has died is not to be replaced by a fabric of its own.
Result<void> refuse_beside_machines(const Project& project) {
  const auto keeper = project.paths.has_joined() ? std::nullopt : find_machine_keeper(MachinePaths(project.paths.root));
  if (!keeper) return {};
  return fail(
      {.what = fmt::format("machines of {} run already, kept by process {}", project.manifest.name, keeper->pid),
       .help = {"start those that have died with 'epic heal'", "or stop all with 'epic stop'"}});
}

// The module of a running fabric must not be overwritten, so check before building.
Result<void> refuse_second_run(const Project& project) {
  auto fabric = EPIC_TRY(LiveFabric::find_here(project.paths));
  if (!fabric) return {};
  if (project.paths.has_joined())
    return fail({.what = fmt::format("a supervisor runs in {} already", project.paths.run_root.string()),
                 .help = {"look at its fabric with 'epic ps'", "or stop it first with 'epic stop'"}});
  const auto ping = EPIC_TRY(fabric->ask<control::Ping>());
  return fail({.what = fmt::format("{} is running already, as process {}", project.manifest.name, ping.pid),
               .help = {"look at it with 'epic ps'", "or stop it first with 'epic stop'"}});
}

// What is wrong with an address to listen at, and where it comes from.
Failure refused_address(const Arguments& arguments, const Project& project, const std::string& wanted,
                        const std::string& why) {
  const std::string origin = arguments.is_typed("listen") ? std::string("--listen")
                             : arguments.has("listen")    ? std::string("EPIC_LISTEN")
                             : project.paths.joined_at.empty()
                                 ? fmt::format("[cluster] listen in {}", project.paths.manifest().string())
                                 : fmt::format("this machine's address towards {}", project.paths.joined_at);
  return {.code = ExitCode::usage, .what = fmt::format("{} '{}': {}", origin, wanted, why)};
}

// How other machines reach this one.
Result<void> choose_address(Context& context, const Arguments& arguments, const Project& project,
                            const std::string& own_address, cluster::SupervisorOptions& options) {
  const auto place = EPIC_TRY(find_credentials(arguments, project.manifest, project.paths.root));
  options.tcp.secret_file = place.secret_file.string();
  options.tcp.authority = place.certificates.authority.string();
  options.tcp.certificate = place.certificates.certificate.string();
  options.tcp.key = place.certificates.key.string();
  const bool is_of_project = !project.paths.has_joined();
  const std::string setting = project.paths.joined_at.empty() ? project.manifest.listen : own_address;
  const std::string wanted = arguments.value("listen").value_or(setting);
  if (wanted.empty()) {
    if (project.manifest.beacon)
      context.console().warn(
          "[cluster] beacon has no effect: this machine does not listen for others. Set [cluster] listen in epic.toml, "
          "EPIC_LISTEN, or --listen");
    return {};
  }
  const auto address = parse_listen_address(wanted);
  if (!address) return fail(refused_address(arguments, project, wanted, address.error()));
  const auto host = find_own_address(address->host);
  if (!host) return fail(refused_address(arguments, project, wanted, host.error()));
  if (place.is_empty())
    return fail({.code = ExitCode::usage,
                 .what = fmt::format("listening at {} for other machines needs a secret", wanted),
                 .help = {"make one: (umask 077; openssl rand -hex 32 > cluster.secret)",
                          "and name it: --secret-file cluster.secret, or [cluster] secret_file in epic.toml"}});
  EPIC_TRY(check_usable_for_listening(place));
  if (project.manifest.coordination == kAlone) return check_may_be_joined(project);
  options.tcp.host = *host;
  // Another supervisor of the project's machine has the port of its settings already.
  const bool has_own_port = arguments.has("listen") || is_of_project || !project.paths.joined_at.empty();
  options.port = has_own_port ? address->port : std::uint16_t{0};
  return {};
}

// For what the settings leave to each other.
Result<void> check_coordination(const Project& project) {
  const Manifest& manifest = project.manifest;
  const storage::StoreAddress& store = project.paths.store;
  if (manifest.coordination == kAlone || (store.keeps_state() && !store.has_file())) return {};
  return fail(
      {.code = ExitCode::usage,
       .what = fmt::format("coordination = \"{}\" needs a store that several machines can use", manifest.coordination),
       .why = fmt::format("store is \"{}\" in epic.toml", manifest.store),
       .help = {"set store to the URL of a PostgreSQL database, or remove the coordination"}});
}

Outcome run_machines(Context& context, const Project& project, const Arguments& arguments) {
  std::error_code error;
  LocalMachinesPlan plan{.count = static_cast<std::size_t>(*arguments.number("machines")),
                         .epic = fs::read_symlink("/proc/self/exe", error),
                         .nodes = arguments.number("nodes").value_or(project.manifest.nodes)};
  plan.run_arguments.push_back(fmt::format("--nodes={}", plan.nodes));
  if (arguments.has("no-prefix")) plan.run_arguments.emplace_back("--no-prefix");
  return arguments.has("detach") ? run_local_machines_detached(context.console(), project, plan)
                                 : run_local_machines(context.console(), project, plan);
}

Outcome run_fabric(Context& context, const Arguments& arguments) {
  if (arguments.has("detach") && arguments.has("exit-after-setup"))
    return fail(usage_failure(arguments.command(), "--detach and --exit-after-setup exclude each other"));
  for (const std::string_view option : {"join", "exit-after-setup", "debugger", "machine"})
    if (arguments.has("machines") && arguments.has(option))
      return fail(usage_failure(arguments.command(), fmt::format("--machines and --{} exclude each other", option)));
  if (arguments.has("join") && arguments.has("exit-after-setup"))
    return fail(usage_failure(arguments.command(), "--join and --exit-after-setup exclude each other"));
  Target target = EPIC_TRY(find_target(context, arguments));
  const Project& project = target.project;
  EPIC_TRY(check_coordination(project));
  EPIC_TRY(refuse_second_run(project));
  if (!arguments.has("machine")) EPIC_TRY(refuse_beside_machines(project));
  EPIC_TRY(ask_listed(context, arguments, target));
  const std::int64_t nodes = arguments.number("nodes").value_or(project.manifest.nodes);
  const auto node_program = EPIC_TRY(context.install().node());
  auto options = supervisor_options(project, node_program, nodes, arguments.value("machine").value_or(""));
  if (!arguments.has("machines")) EPIC_TRY(choose_address(context, arguments, project, target.own_address, options));
  const auto built = target.module == ModuleFrom::fabric ? Built{.module = {}}
                     : target.module == ModuleFrom::project
                         ? Built{.module = project.paths.module(project.manifest.module)}
                         : EPIC_TRY(build_project(context, project, {.only_if_stale = true}));
  if (target.module == ModuleFrom::build && !built.was_fresh)
    context.console().note(fmt::format("Built {} in {}", project.manifest.module, human_duration(built.took)));

  if (const auto machines = arguments.value("machines")) return run_machines(context, project, arguments);
  Console& console = context.console();
  Narrator narrator(console, project, arguments.has("no-prefix") ? LogShape::bare : LogShape::prefixed);
  options.module_path = built.module;
  if (arguments.has("exit-after-setup")) options.after_setup = cluster::AfterSetup::exit;
  if (arguments.has("debugger")) {
    options.silence_max = options.start_timeout = kDurationMax;
    options.turn_max = std::chrono::milliseconds(0);
  }
  const std::string_view credentials =
      options.tcp.certificate.empty() ? "--secret-file FILE" : "--certificates DIRECTORY";
  options.on_error = [&](const auto& error) { narrator.on_error(error); };
  if (arguments.has("detach")) {
    options.on_log = [&](const auto& line) {
      console.warn(fmt::format("{}: {}", line.source, printable(line.message)));
    };
    options.on_ready = [&](const auto& ready) {
      if (console.is_json()) print_ready_json(console, ready);
      narrator.on_ready(ready, credentials);
      console.note("It goes on without this terminal; 'epic stop' stops it.");
    };
    options.on_event = [&](const auto& event) {
      if (event.kind == cluster::SupervisorEventKind::setup_failed)
        console.error({.what = "the module's setup failed",
                       .why = event.text,
                       .help = {"the fabric runs all the same; fix the setup, then 'epic stop' and 'epic run'"}});
      if (event.kind == cluster::SupervisorEventKind::setting_up)
        console.warn(
            fmt::format("the module's setup is still running after {}, and goes on; 'epic ps' shows how it ends",
                        human_duration(options.setup_wait)));
    };
    return static_cast<ExitCode>(cluster::run_supervisor_detached(options));
  }
  options.on_log = [&](const auto& line) { narrator.on_log(line); };
  options.on_ready = [&](const auto& ready) {
    narrator.on_ready(ready, credentials);
    notify_service_manager("READY=1");
  };
  options.on_event = [&](const auto& event) {
    narrator.on_event(event);
    if (event.kind == cluster::SupervisorEventKind::stopping) notify_service_manager("STOPPING=1");
  };
  const RelayedConsole relayed(console);
  const int code = cluster::run_supervisor(options);
  narrator.finish();
  return static_cast<ExitCode>(code);
}

}  // namespace

constexpr Command kRunCommand{
    .path = "run",
    .group = Group::fabric,
    .summary = "Run the project on a fabric of several processes",
    .description =
        "Builds the module if any of the project's files has changed, starts the nodes, runs the module's setup on "
        "one of\n"
        "them, and shows what they log until it is stopped. Ctrl-C saves and stops; a second one ends it at once. "
        "State is\n"
        "kept in .epic/ and is there again with the next run. If [cluster] machines in epic.toml lists where the "
        "fabric may\n"
        "run, these machines are asked first, and this one joins it.",
    .example =
        "epic run --nodes 4\nepic run --detach\nepic run --exit-after-setup\n"
        "epic run --listen 10.0.0.1 --secret-file cluster.secret\n"
        "epic run --join 10.0.0.1:7420 --secret-file cluster.secret --nodes 2",
    .options = kRunOptions,
    .exit_codes = kRunExitCodes,
    .run = run_fabric,
};

}  // namespace epic::cli
