#include "cli/fabric/import_target.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>

#include "cli/fabric/live_fabric.hpp"
#include "cli/fabric/store_removal.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/fabric/unknown.hpp"
#include "cli/project/build.hpp"
#include "cli/project/conversation.hpp"
#include "cluster/control/frames.hpp"
#include "cluster/supervisor/run_paths.hpp"
#include "kernel/placement_hash.hpp"
#include "protocol/json.hpp"

namespace epic::cli {
namespace json = boost::json;
namespace {

constexpr std::chrono::seconds kPatience{90};  // more than the fabric's own
constexpr std::size_t kLiveGroupLines = 256;   // each is a turn and a commit of the owner's
constexpr std::size_t kStoreGroupLines = 2048;

std::string text_at(const json::object& object, std::string_view field) {
  const auto* value = object.if_contains(field);
  return value != nullptr && value->is_string() ? std::string(std::string_view(value->get_string())) : std::string();
}

json::object request_of(ImportMode mode, std::uint16_t part, const std::vector<std::string>& lines) {
  return {{"mode", mode == ImportMode::check ? "check" : "apply"},
          {"shard", part},
          {"lines", json::array(lines.begin(), lines.end())}};
}

Result<ImportAnswer> answer_from(const json::value& body, std::size_t line_count) {
  ImportAnswer answer;
  const auto* object = body.if_object();
  const auto* outcomes = object == nullptr ? nullptr : object->if_contains("outcomes");
  if (outcomes == nullptr || !outcomes->is_array() || outcomes->get_array().size() != line_count)
    return fail({.what = "the answer to an import makes no sense: an outcome is missing",
                 .help = {"report this: it is a bug of epic's"}});
  for (const json::value& outcome : outcomes->get_array()) {
    if (outcome.is_string())
      answer.outcomes.push_back({.what = std::string(std::string_view(outcome.get_string())), .error = {}});
    else
      answer.outcomes.push_back(
          {.what = {}, .error = outcome.is_object() ? text_at(outcome.get_object(), "error") : "it was not read"});
  }
  if (const auto* ignored = object->if_contains("ignored_fields"); ignored != nullptr && ignored->is_number())
    answer.ignored_fields = ignored->to_number<std::uint64_t>();
  return answer;
}

class LiveImport final : public ImportTarget {
 public:
  static Result<std::unique_ptr<ImportTarget>> open(LiveFabric fabric) {
    const auto ping = fabric.ask("ping", json::object());
    if (!ping) return std::unexpected(ping.error());
    const auto types = fabric.ask("types", json::object());
    if (!types) return std::unexpected(types.error());
    const auto* shards = ping->is_object() ? ping->get_object().if_contains("shards") : nullptr;
    if (shards == nullptr || !shards->is_number())
      return fail({.code = ExitCode::unreachable,
                   .what = "the fabric does not say how many shards it has",
                   .help = {"start it anew with 'epic stop' and 'epic run'"}});
    auto target = std::make_unique<LiveImport>(std::move(fabric), shards->to_number<std::uint16_t>());
    target->set_types(catalog_from(*types));
    return target;
  }
  LiveImport(LiveFabric fabric, std::uint16_t shard_count) : fabric_(std::move(fabric)), shard_count_(shard_count) {}

  [[nodiscard]] std::uint16_t part_of(const EntityName& name) const override {
    return kernel::shard_of(types().stored_name(name.type), name.key, shard_count_).value;
  }
  [[nodiscard]] std::size_t group_lines_max() const override { return kLiveGroupLines; }
  [[nodiscard]] bool goes_on() const override { return true; }
  Result<ImportAnswer> send(ImportMode mode, std::uint16_t part, const std::vector<std::string>& lines) override {
    const json::object request = request_of(mode, part, lines);
    if (const std::size_t bytes = protocol::print_json(request).size(); bytes > cluster::kControlRequestBytesMax)
      return ImportAnswer{
          .outcomes = {lines.size(),
                       {.what = {},
                        .error =
                            fmt::format("it has {} bytes, with every quote in it escaped, and a running fabric takes "
                                        "{} at most: import it while the fabric is down",
                                        bytes, cluster::kControlRequestBytesMax)}},
          .ignored_fields = 0};
    const auto answer = fabric_.ask("import", request, kPatience);
    if (!answer) return std::unexpected(answer.error());
    return answer_from(*answer, lines.size());
  }
  [[nodiscard]] std::string_view words() const override { return "the running fabric"; }

 private:
  LiveFabric fabric_;
  std::uint16_t shard_count_;
};

class StoreImport final : public ImportTarget {
 public:
  static Result<std::unique_ptr<ImportTarget>> open(Context& context, const Project& project) {
    if (project.manifest.store != "sqlite")
      return fail({.code = ExitCode::not_found,
                   .what = "nothing of this project outlives a running fabric",
                   .why = fmt::format("epic.toml says store = \"{}\"", project.manifest.store),
                   .help = {"start it with 'epic run', then import"}});
    const auto built = build_project(context, project, {.type = {}, .only_if_stale = true});
    if (!built) return std::unexpected(built.error());
    const auto node = context.install().node();
    if (!node) return std::unexpected(node.error());
    auto lock = lock_project(project.paths);
    if (!lock) return std::unexpected(std::move(lock.error()));
    auto talk = Conversation::start(*node, {"--import", built->module.string(), project.paths.store().string(),
                                            fmt::format("{}", project.manifest.shards)});
    if (!talk) return std::unexpected(talk.error());
    auto target = std::make_unique<StoreImport>(std::move(*lock), std::move(*talk));
    const auto hello = target->read(target->talk_.listen());
    if (!hello) return std::unexpected(hello.error());
    target->set_types(catalog_from(*hello));
    return target;
  }
  StoreImport(cluster::ProjectLock lock, Conversation talk) : lock_(std::move(lock)), talk_(std::move(talk)) {}

  [[nodiscard]] std::uint16_t part_of(const EntityName&) const override { return 0; }
  [[nodiscard]] std::size_t group_lines_max() const override { return kStoreGroupLines; }
  Result<ImportAnswer> send(ImportMode mode, std::uint16_t part, const std::vector<std::string>& lines) override {
    const auto answer = read(talk_.ask(protocol::print_json(request_of(mode, part, lines))));
    if (!answer) return std::unexpected(answer.error());
    return answer_from(*answer, lines.size());
  }
  [[nodiscard]] std::string_view words() const override { return "the store (no fabric runs)"; }

 private:
  static Result<json::object> read(const Result<std::string>& line) {
    if (!line) return std::unexpected(line.error());
    const auto parsed = protocol::parse_json(*line);
    if (!parsed || !parsed->is_object())
      return fail({.what = "epic-node answered with something that is not a JSON object", .why = *line});
    const json::object& object = parsed->get_object();
    if (!object.contains("error")) return object;
    Failure failure = failure_of(storage::StoreError{.code = {}, .message = text_at(object, "error")});
    if (const std::string hint = text_at(object, "hint"); !hint.empty()) failure.help.push_back(hint);
    return fail(std::move(failure));
  }

  cluster::ProjectLock lock_;  // goes after the process
  Conversation talk_;
};

}  // namespace

Result<void> ImportTarget::check_type(const std::string& type) const {
  if (types_.types.empty() || has_type(type)) return {};
  return fail(unknown_type(type, types_.type_names()));
}

Result<std::unique_ptr<ImportTarget>> ImportTarget::open(Context& context, const Project& project) {
  auto fabric = LiveFabric::find(project.paths);
  if (!fabric) return std::unexpected(std::move(fabric.error()));
  if (*fabric) return LiveImport::open(std::move(**fabric));
  return StoreImport::open(context, project);
}

Result<std::unique_ptr<ImportTarget>> ImportTarget::open_for_removal(const Project& project) {
  auto fabric = LiveFabric::find(project.paths);
  if (!fabric) return std::unexpected(std::move(fabric.error()));
  if (*fabric) return LiveImport::open(std::move(**fabric));
  return open_store_removal(project.paths);
}

Result<cluster::ProjectLock> lock_project(const ProjectPaths& paths) {
  std::error_code error;
  std::filesystem::create_directories(paths.state(), error);
  if (error) return fail({.what = fmt::format("{} cannot be made", paths.state().string()), .why = error.message()});
  auto lock = cluster::ProjectLock::try_take(cluster::RunPaths(paths.root).lock);
  if (lock) return std::move(*lock);
  Failure failure{.what = lock.error().message};
  while (failure.what.ends_with('.')) failure.what.pop_back();
  if (!lock.error().hint.empty()) failure.help.push_back(lock.error().hint);
  return fail(std::move(failure));
}

std::string removal_line(const std::string& entity, std::optional<std::uint64_t> version) {
  json::object line{{"entity", entity}, {"remove", true}};
  if (version) line["version"] = *version;
  return protocol::print_json(line);
}

}  // namespace epic::cli
