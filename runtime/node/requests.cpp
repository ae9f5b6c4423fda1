#include "node/requests.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "codec/described_json.hpp"
#include "codec/json_size.hpp"
#include "codec/snapshot_json.hpp"
#include "kernel/errors.hpp"
#include "kernel/kernel_scope.hpp"
#include "kernel/placement.hpp"
#include "node/answers.hpp"
#include "node/calls_answer.hpp"
#include "node/describe.hpp"
#include "node/events_answer.hpp"
#include "protocol/json.hpp"
#include "protocol/log_line.hpp"
#include "reflect/schema_of.hpp"

namespace epic::node {

namespace control = protocol::control;
namespace json = boost::json;
using kernel::Activation;
using protocol::Answer;
using protocol::AnswerStatus;

namespace {

/// Of a value that is written on the execution thread, which takes a few milliseconds at most.
constexpr std::size_t kJsonAtOnceBytesMax = 64 * 1024;

std::optional<std::string> time_or_none(std::int64_t wall_ns) {
  if (wall_ns == 0) return std::nullopt;
  return protocol::format_time(std::chrono::system_clock::time_point(std::chrono::nanoseconds(wall_ns)));
}

/// An answer with a value of a user's type beside the described fields.
json::object with(json::value described, std::string_view name, json::value value) {
  json::object answer = std::move(described.as_object());
  answer[name] = std::move(value);
  return answer;
}

}  // namespace

void Requests::handle(const protocol::Request& request) {
  const auto parsed = protocol::parse_json(request.body);
  if (!parsed || !parsed->is_object())
    return parts_.send(make_failure(request.id, AnswerStatus::bad_request,
                                    fmt::format("the body of '{}' must be a JSON object", request.verb)));
  if (receive<control::Inspect, control::Call, control::Ls, control::Export, control::Import, control::Types,
              control::Events, control::Calls, control::Outbox>(request, parsed->get_object()))
    return;
  parts_.send(make_failure(request.id, AnswerStatus::bad_request,
                           fmt::format("a node does not know the request '{}'", request.verb)));
}

template <class... Verb>
bool Requests::receive(const protocol::Request& request, const Body& body) {
  return ((request.verb == Verb::kVerb.name && (receive_one<Verb>(request.id, body), true)) || ...);
}

template <class Verb>
void Requests::receive_one(std::uint64_t id, const Body& body) {
  auto request = codec::read_described<typename Verb::Request>(body);
  if (request) return answer(Asked<Verb>{.id = id, .request = *std::move(request), .body = body});
  parts_.send(
      make_failure(id, AnswerStatus::bad_request,
                   fmt::format("the request '{}' is not as it should be: {}", Verb::kVerb.name, request.error())));
}

void Requests::answer(const Asked<control::Types>& asked) {
  control::Types::Answer answer;
  for (const auto& type : engine_.kernel().types().all()) {
    if (type->is_internal) continue;
    answer.types.push_back(describe_type(*type->info, engine_.kernel().options().placement));
    answer.types.back().counters = type->counters;
  }
  parts_.send(make_answer(asked.id, codec::describe_json(answer)));
}

void Requests::answer(const Asked<control::Events>& asked) {
  parts_.send(
      make_answer(asked.id, codec::describe_json(describe_events(engine_.kernel(), node_name(), asked.request))));
}

void Requests::answer(const Asked<control::Calls>& asked) {
  parts_.send(
      make_answer(asked.id, codec::describe_json(describe_all_calls(engine_.kernel(), node_name(), asked.request))));
}

// ---- the reading thread ----

/// The first request opens the reader where the store's other work is done; if it cannot be opened, that one answers.
void Requests::read(io::StorageWork::Read read) {
  if (reader_) {
    reader_->read(std::move(read));
    return reader_->flush();
  }
  engine_.storage().read([this, read = std::move(read)](storage::Store& store) -> io::StorageWork::Continuation {
    auto opened = parts_.open_reader();
    if (!opened) return read(store);
    return [this, read, reader = std::make_shared<std::unique_ptr<storage::Store>>(*std::move(opened))] {
      if (!reader_) reader_ = parts_.make_work(std::move(*reader), [this] { parts_.post([this] { on_read(); }); });
      this->read(read);
    };
  });
}

/// On the execution thread, ahead of a tick: one that comes after it would wait for whatever wakes the node next.
void Requests::on_read() {
  for (io::StorageWork::Event& event : reader_->events())
    if (const auto* then = std::get_if<io::StorageWork::Continuation>(&event); then != nullptr && *then) (*then)();
}

// ---- common ----

std::string Requests::node_name() const { return fmt::format("node-{}", engine_.kernel().options().self.node); }

bool Requests::is_ours(kernel::ShardId shard) { return engine_.kernel().routing().is_active(shard); }

std::expected<Requests::Entity, Answer> Requests::find_entity(std::uint64_t id, const std::string& asked) {
  const std::size_t slash = asked.find('/');
  if (slash == std::string::npos)
    return std::unexpected(make_failure(id, AnswerStatus::bad_request,
                                        fmt::format("'{}' is not a valid entity name: it is written Type/Key", asked)));
  kernel::TypeTable& types = engine_.kernel().types();
  const kernel::TypeEntry* type = types.find(std::string_view(asked).substr(0, slash));
  if (type == nullptr) {
    const std::string near = types.nearest_type(asked.substr(0, slash));
    return std::unexpected(make_failure(
        id, {.code = ErrorCode::no_such_type,
             .exception_type = {},
             .message = fmt::format("no entity class '{}' in this project's modules{}", asked.substr(0, slash),
                                    near.empty() ? std::string() : fmt::format("; did you mean '{}'?", near))}));
  }
  Entity entity{.name = fmt::format("{}/{}", type->info->stored_name(), asked.substr(slash + 1)),
                .shown = fmt::format("{}/{}", type->info->type_name, asked.substr(slash + 1)),
                .key = asked.substr(slash + 1),
                .type = type,
                .shard = {}};
  if (!detail::parse_name(entity.name))
    return std::unexpected(make_failure(
        id, AnswerStatus::bad_request,
        fmt::format("'{}' cannot name an entity: its key is empty, too long, no UTF-8, or holds a control character",
                    asked)));
  entity.shard = engine_.kernel().options().placement.shard_of(entity.name);
  return entity;
}

/// A value can change with the next turn, and everything else waits until it is read. So only a small one becomes JSON
/// here. A larger one is encoded as if it were saved, which takes a fraction of the time, and becomes JSON on a thread
/// of its own; one that no answer could carry is refused by its size.
void Requests::send_with(std::uint64_t id, json::object answer, std::string_view name, const reflect::TypeInfo& type,
                         const void* value) {
  const std::size_t bytes_min = codec::json_bytes_min(type, value, protocol::kAnswerBytesMax);
  if (bytes_min > protocol::kAnswerBytesMax) return parts_.send(make_too_large(id, bytes_min, "at least "));
  std::vector<std::byte> bytes;
  try {
    if (bytes_min <= kJsonAtOnceBytesMax) {
      answer[name] = codec::to_json(type, value, show_name_);
      return parts_.send(make_answer(id, answer));
    }
    engine_.kernel().codec().encode(type, value, bytes);
  } catch (const std::length_error& error) {
    return parts_.send(make_failure(id, AnswerStatus::failed, error.what()));
  }
  streams_.start(id, [id, answer = std::move(answer), name = std::string(name), schema = reflect::schema_of(type),
                      bytes = std::move(bytes), show_name = show_name_](AnswerStream& stream) mutable {
    auto json = codec::to_json(schema, bytes, show_name);
    if (!json) return stream.fail(fmt::format("the {} cannot be sent as JSON: {}", name, json.error().what));
    answer[name] = std::move(*json);
    stream.finish(make_answer(id, answer));
  });
}

// ---- inspect ----

void Requests::answer(const Asked<control::Inspect>& asked) {
  const std::uint64_t id = asked.id;
  const auto entity = find_entity(id, asked.request.entity);
  if (!entity) return parts_.send(entity.error());
  if (entity->type->local_max > 0) return send_local(id, *entity);
  if (!is_ours(entity->shard))
    return parts_.send(
        make_failure(id, AnswerStatus::not_owner, fmt::format("{} does not own shard {}", node_name(), entity->shard)));
  Activation* activation = engine_.kernel().activations().find(entity->name);
  if (activation != nullptr && activation->entity != nullptr) return send_live(id, *entity, *activation);
  inspect_stored(id, *entity);
}

namespace {

std::vector<control::TimerInFlight> describe_timers(const kernel::Kernel& kernel, const Activation& activation) {
  std::vector<control::TimerInFlight> timers;
  if (activation.timers() == nullptr) return timers;
  for (const auto& [number, timer] : activation.timers()->list)
    timers.push_back({.method = timer.method,
                      .every_ms = to_ms(timer.interval_ns),
                      .due_ms = to_ms(timer.due_ns - kernel.now_ns()),
                      .skipped = timer.skipped,
                      .pins = timer.is_pinning});
  return timers;
}

}  // namespace

void Requests::send_live(std::uint64_t id, const Entity& entity, Activation& activation) {
  kernel::Kernel& kernel = engine_.kernel();
  const reflect::EntityInfo& info = *entity.type->info;
  const control::Inspect::Answer answer{
      .entity = entity.shown,
      .type = std::string(info.type_name),
      .key = entity.key,
      .live = true,
      .node = node_name(),
      .shard = entity.shard.value,
      .epoch = kernel.routing().epoch_of(entity.shard).value,
      .version = activation.version.value,
      .unsaved = kernel.is_unsaved(activation),
      .bytes = activation.state_bytes,
      .memory_bytes = activation.memory_bytes,
      .schema = hex(entity.type->schema.id()),
      .saved_at = time_or_none(activation.saved_at_ns),
      .active_ms = to_ms(kernel.now_ns() - activation.activated_ns),
      .activation = boost::describe::enum_to_string(activation.cause, ""),
      .idle_ms = activation.running > 0 ? 0 : to_ms(kernel.now_ns() - activation.last_used_ns),
      .queue = activation.waiting_count() + activation.queued + activation.lock.waiting_count(),
      .calls = describe_calls(kernel, node_name(), entity.name),
      .timers = describe_timers(kernel, activation)};
  send_with(id, std::move(codec::describe_json(answer).as_object()), "state", info.state,
            info.object(activation.entity));
}

/// Any node may have instances of it: a listing has them all.
void Requests::send_local(std::uint64_t id, const Entity& entity) {
  const control::Inspect::Answer answer{.entity = entity.shown,
                                        .type = std::string(entity.type->info->type_name),
                                        .key = entity.key,
                                        .live = true,
                                        .local_max = entity.type->local_max,
                                        .schema = {},
                                        .calls = describe_calls(engine_.kernel(), node_name(), entity.name)};
  json::object fields = codec::describe_json(answer).as_object();
  for (const char* const field : {"shard", "epoch", "version", "unsaved", "bytes", "schema", "queue", "timers"})
    fields.erase(field);
  parts_.send(make_answer(id, fields));
}

void Requests::inspect_stored(std::uint64_t id, const Entity& entity) {
  const std::uint64_t epoch = engine_.kernel().routing().epoch_of(entity.shard).value;
  read([this, id, entity, epoch](storage::Store& store) -> io::StorageWork::Continuation {
    parts_.send(describe_stored(id, entity, epoch, store));
    return {};
  });
}

/// On the reading thread. Uses the schema that the state was written with: no user code runs.
Answer Requests::describe_stored(std::uint64_t id, const Entity& entity, std::uint64_t epoch,
                                 storage::Store& store) const {
  const auto fail = [&](const std::string& why) {
    return make_failure(id, AnswerStatus::failed,
                        fmt::format("the saved state of {} cannot be read: {}", entity.shown, why));
  };
  const auto found = store.load(entity.type->info->stored_name(), entity.key);
  if (!found) return fail(found.error().message);
  if (!*found)
    return make_failure(
        id, AnswerStatus::not_found,
        fmt::format("{} is neither in memory nor saved. It exists all the same: its first call makes it",
                    entity.shown));
  const storage::Snapshot& snapshot = **found;
  const auto text = store.schema(snapshot.schema);
  if (!text) return fail(text.error().message);
  if (!*text) return fail(fmt::format("the store does not have its schema, {}", hex(snapshot.schema)));
  const auto schema = reflect::Schema::parse(**text);
  if (!schema) return fail(schema.error());
  auto state = codec::to_json(*schema, snapshot.bytes, show_name_);
  if (!state) return fail(fmt::format("{}: {}", state.error().path, state.error().what));
  const control::Inspect::Answer answer{.entity = entity.shown,
                                        .type = std::string(entity.type->info->type_name),
                                        .key = entity.key,
                                        .live = false,
                                        .node = node_name(),
                                        .shard = entity.shard.value,
                                        .epoch = epoch,
                                        .version = snapshot.version.value,
                                        .unsaved = false,
                                        .bytes = snapshot.bytes.size(),
                                        .schema = hex(snapshot.schema),
                                        .saved_at = protocol::format_time(snapshot.saved_at),
                                        .queue = 0};
  return make_answer(id, with(codec::describe_json(answer), "state", std::move(*state)));
}

// ---- call ----

void Requests::answer(const Asked<control::Call>& asked) {
  const std::uint64_t id = asked.id;
  const auto entity = find_entity(id, asked.request.entity);
  if (!entity) return parts_.send(entity.error());
  kernel::Kernel& kernel = engine_.kernel();
  const std::string& method = asked.request.method;
  auto record = kernel.make_call(entity->type->info->type_name, entity->key, method);
  if (!record)
    return parts_.send(
        make_failure(id, {.code = record.error().code(), .exception_type = {}, .message = record.error().what()}));
  const auto* given = asked.body.if_contains("args");
  const json::array arguments = given != nullptr && given->is_array() ? given->get_array() : json::array();
  const kernel::Kernel::Scope scope(kernel);  // names of entities among the arguments are read as this node knows them
  if (const auto read = codec::arguments_from_json(arguments, (*record)->method->arguments(), (*record)->arguments());
      !read)
    return parts_.send(
        make_failure(id, {.code = ErrorCode::bad_arguments,
                          .exception_type = {},
                          .message = fmt::format("{}.{}: {}", entity->type->info->type_name, method, read.error())}));
  if (const auto& key = asked.request.idempotency_key) {
    if (const std::string fault = kernel::find_key_fault(*key); !fault.empty())
      return parts_.send(
          make_failure(id, AnswerStatus::bad_request, fmt::format("the idempotency key cannot be used: {}", fault)));
    kernel::set_key(**record, *key);
  }
  std::chrono::nanoseconds timeout = kernel.options().call_timeout;
  if (asked.request.timeout_ms)
    timeout = std::chrono::milliseconds(static_cast<std::int64_t>(*asked.request.timeout_ms));
  kernel.submit(std::move(*record), std::max<std::chrono::nanoseconds>(timeout, std::chrono::milliseconds(1)),
                [this, id](kernel::Record& ended) {
                  if (const auto& error = ended.site->answered_error) return parts_.send(make_failure(id, *error));
                  if (ended.failure) return parts_.send(make_failure(id, kernel::describe_failure(ended.failure)));
                  if (const auto thrown = ended.thrown())
                    return parts_.send(make_failure(id, kernel::describe_thrown(thrown)));
                  if (ended.method->result == nullptr)
                    return parts_.send(make_answer(id, json::object{{"result", nullptr}}));
                  send_with(id, {}, "result", ended.method->result(), ended.result());
                });
}

}  // namespace epic::node
