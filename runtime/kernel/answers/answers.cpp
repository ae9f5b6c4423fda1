#include "kernel/answers/answers.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <stdexcept>

#include "kernel/errors.hpp"
#include "kernel/limits.hpp"
#include "reflect/schema_of.hpp"

namespace epic::kernel {

namespace {

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

AnswerEnd thrown_end(const ErrorPart& error) {
  const auto* const text = reinterpret_cast<const std::byte*>(error.message.data());
  return {.status = AnswerStatus::threw,
          .schema = {},
          .error_code = static_cast<std::uint8_t>(error.code),
          .error_type = error.exception_type,
          .bytes = {text, text + error.message.size()}};
}

}  // namespace

// ---- calls with keys ----

std::string Answers::refusal_of(const TypeEntry& type) const {
  if (!type.is_stored)
    return fmt::format(
        "{} has no saved state, so there is nowhere to record that the call took effect: call it without an "
        "idempotency key",
        type.info->type_name);
  if (!uses_.has_shared_store)
    return "idempotency keys need a store that all nodes share, and in this project each has its own: set store = "
           "\"sqlite\" in epic.toml, or call it without a key";
  return {};
}

Answers::Schemas& Answers::schemas_of(const reflect::MethodInfo& method) {
  const auto known = schemas_.find(&method);
  if (known != schemas_.end()) return known->second;
  Schemas schemas{.arguments = reflect::schema_of(method.arguments()), .result = {}};
  if (method.result != nullptr) schemas.result = reflect::schema_of(method.result());
  return schemas_.emplace(&method, std::move(schemas)).first->second;
}

/// By the schema that this node has, whatever the caller's is.
Answers::Request Answers::request_of(Record& call) {
  Request request{.method = std::string(call.method->name), .schema = schemas_of(*call.method).arguments.id()};
  uses_.codec.encode(call.method->arguments(), call.arguments(), request.arguments);
  request.hash = XXH3_64bits(request.arguments.data(), request.arguments.size());
  return request;
}

/// After the arguments' types have changed, their hash means nothing, and the key and the method alone count.
bool Answers::fits(Record& call, const Request& request, const Answer& answer) {
  const TypeEntry* const type = uses_.types.find(call.callee->type());
  const bool is_same_method =
      request.method == answer.method || (type != nullptr && type->info->find_method(answer.method) == call.method);
  if (is_same_method && (request.schema != answer.arguments_schema || request.hash == answer.arguments_hash))
    return true;
  uses_.calls.fail(
      call, ErrorCode::bad_arguments,
      fmt::format("{} was not started: its idempotency key '{}' was used before for {}. A key stands for one call: use "
                  "another for this one",
                  uses_.words.describe(call), call.site->extensions->idempotency_key,
                  is_same_method ? "this method with other arguments" : fmt::format("the method {}", answer.method)));
  return false;
}

void Answers::enter(RecordRef call, const TypeEntry& type, ShardId shard) {
  if (const std::string why = refusal_of(type); !why.empty())
    return uses_.calls.fail(*call, ErrorCode::bad_arguments,
                            fmt::format("{} was not started: {}", uses_.words.describe(*call), why));
  Request request;
  try {
    request = request_of(*call);
  } catch (const std::length_error& error) {
    return uses_.calls.fail(*call, ErrorCode::bad_arguments,
                            fmt::format("{} was not started: {}", uses_.words.describe(*call), error.what()));
  }
  AnswerId id{.shard = shard,
              .entity = std::string(call->callee->text),
              .subject = call->site->extensions->caller,
              .key = call->site->extensions->idempotency_key};
  const Epoch epoch = uses_.routing.epoch_of(shard);
  if (const auto known = entries_.find(id); known != entries_.end())
    return join(std::move(call), std::move(request), known->second);
  if (entries_.size() >= limits::kAnswersKnownMax)
    return uses_.calls.fail(*call, ErrorCode::overloaded,
                            fmt::format("{} was not started: {} calls with idempotency keys are under way already",
                                        uses_.words.describe(*call), entries_.size()));
  Entry& entry = entries_[id];
  entry.epoch = epoch;
  entry.waiting.push_back({std::move(call), std::move(request)});
  uses_.syscalls.load_answer({shard, epoch}, id);
  if (Epoch& watched = watched_[shard]; std::exchange(watched, epoch) != epoch)
    uses_.syscalls.load_oldest_answer({shard, epoch});
}

void Answers::join(RecordRef call, Request request, Entry& entry) {
  switch (entry.state) {
    case State::reading:
      break;
    case State::under_way:
    case State::begun:
      if (!fits(*call, request, entry.answer)) return;
      ++counts_.repeated;
      request.arguments = {};
      std::erase_if(entry.waiting, [](const Waiting& one) { return one.call->failure != nullptr; });
      break;
    case State::interrupted:
      if (fits(*call, request, entry.answer)) interrupt(*call, entry.put_in, "the call with this key was cut short");
      return;
    case State::ended: {
      if (!fits(*call, request, entry.answer)) return;
      ++counts_.repeated;
      const auto& schema = schemas_of(*call->method).result;
      call->observed = entry.known_to.value;
      return give(*call, entry.answer.end, schema ? &*schema : nullptr);
    }
  }
  entry.waiting.push_back({std::move(call), std::move(request)});
}

void Answers::on_loaded(const ShardEpoch& tenure, const AnswerId& id, AnswerLoad load) {
  const auto at = entries_.find(id);
  if (at == entries_.end() || at->second.state != State::reading || at->second.epoch != tenure.epoch) return;
  const bool is_ours = is_current(tenure.shard, tenure.epoch);
  if (is_ours && load && !load->answer) return begin(at);
  std::vector<Waiting> waiting = std::exchange(at->second.waiting, {});
  entries_.erase(at);
  if (!is_ours) return route_all(std::move(waiting));
  if (!load) {
    for (const Waiting& one : waiting)
      uses_.calls.fail(*one.call, ErrorCode::unavailable,
                       fmt::format("{} was not started: whether its idempotency key was used before cannot be read: {}",
                                   uses_.words.describe(*one.call), load.error()));
    return;
  }
  const Answer& answer = *load->answer;
  std::expected<reflect::Schema, std::string> schema = std::unexpected(std::string());
  if (!load->schema_text.empty()) schema = reflect::Schema::parse(load->schema_text);
  for (const Waiting& one : waiting) {
    if (one.call->failure || !fits(*one.call, one.request, answer)) continue;
    ++counts_.repeated;
    if (answer.end.status == AnswerStatus::begun)
      interrupt(*one.call, CommitNumber{0},
                "the call with this key was cut short, by a crash or a move, after its first turn was saved");
    else
      give(*one.call, answer.end, schema ? &*schema : nullptr);
  }
}

/// The store has no answer: the first call that still waits brings about the one that runs.
void Answers::begin(Entries::iterator at) {
  const AnswerId id = at->first;
  Entry& entry = at->second;
  std::vector<Waiting> waiting = std::exchange(entry.waiting, {});
  std::erase_if(waiting, [](const Waiting& one) { return one.call->failure != nullptr; });
  if (waiting.empty()) {
    entries_.erase(at);
    return;
  }
  const Record& first = *waiting.front().call;
  const Request& request = waiting.front().request;
  auto made = make_call(*first.method, uses_.codec, request.arguments, schemas_of(*first.method).arguments);
  if (!made) {
    entries_.erase(at);
    return fail_all(std::move(waiting),
                    make_exception(ErrorCode::bad_arguments, fmt::format("its arguments cannot be read: {}: {}",
                                                                         made.error().path, made.error().what)));
  }
  RecordRef call = std::move(*made);
  entry.answer = {
      .id = id, .method = request.method, .arguments_schema = request.schema, .arguments_hash = request.hash};
  call->callee = first.callee;
  call->timeout_ns = INT64_MAX;
  call->site = new detail::CallSite(*call);
  call->site->answer = std::make_unique<AnswerId>(id);
  call->site->begun_ns = uses_.scheduler.now_ns;
  call->site->chain = first.site->chain;
  call->site->label = first.site->label;
  if (first.site->extensions->trace)
    call->site->extensions = std::make_unique<CallExtensions>(
        CallExtensions{.trace = first.site->extensions->trace, .caller = {}, .idempotency_key = {}});
  entry.state = State::under_way;
  entry.call = call.get();
  for (Waiting& one : waiting) {
    one.request.arguments = {};
    if (fits(*one.call, one.request, entry.answer)) entry.waiting.push_back(std::move(one));
  }
  Record* const before = uses_.scheduler.interrupt();
  if (uses_.calls.open(*call))
    uses_.calls.route(std::move(call));
  else
    on_end(*call);
  uses_.scheduler.current = before;
}

// ---- the call that runs ----

Answers::Entries::iterator Answers::find(const Record& call) {
  const auto at = entries_.find(*call.site->answer);
  return at == entries_.end() || at->second.call != &call ? entries_.end() : at;
}

void Answers::on_begin(Record& call) {
  const auto at = find(call);
  if (at == entries_.end() || !is_current(at->first.shard, at->second.epoch))
    return uses_.calls.fail(call, ErrorCode::unavailable, "its shard has moved");
  Entry& entry = at->second;
  if (std::ranges::all_of(entry.waiting, [](const Waiting& one) { return one.call->failure != nullptr; }))
    return uses_.calls.fail(call, ErrorCode::timeout, "no caller waits for it any longer");
  ++counts_.begun;
  entry.state = State::begun;
  entry.answer.begun_at_ns = uses_.scheduler.wall_ns;
  entry.is_stored = true;
  entry.put_in = uses_.saving.forming();
  uses_.saving.add(*activation_of(&call), PutAnswer{entry.answer});
}

void Answers::on_end(Record& call) {
  const auto at = find(call);
  if (at == entries_.end()) return;
  Entry& entry = at->second;
  entry.call = nullptr;
  Activation* const activation = activation_of(&call);
  const bool is_carried =
      activation != nullptr && activation->entity != nullptr && activation->state <= Activation::State::stopping;
  if (entry.state == State::begun && !call.failure && is_carried && entry.is_stored)
    return finish(at, call, *activation);

  // It has not run, or not to its end.
  std::vector<Waiting> waiting = std::exchange(entry.waiting, {});
  const ShardId shard = at->first.shard;
  const std::exception_ptr failure =
      call.failure ? call.failure : make_exception(ErrorCode::node_lost, "its entity left memory meanwhile");
  const ErrorPart error = describe_failure(failure);
  const bool has_moved =
      !is_current(shard, entry.epoch) || (entry.state == State::under_way && !uses_.routing.is_active(shard));
  const bool is_undone = entry.state == State::begun && !entry.is_stored && error.code == ErrorCode::node_lost;
  if (has_moved || is_undone) {
    entries_.erase(at);
    return route_all(std::move(waiting));
  }
  if (entry.state == State::under_way || !entry.is_stored) {
    entries_.erase(at);
    return fail_all(std::move(waiting), failure);
  }
  const CommitNumber put_in = entry.put_in;
  keep_until(at, State::interrupted, put_in);
  for (const Waiting& one : waiting)
    if (!one.call->failure) interrupt(*one.call, put_in, error.message);
}

/// Its end is stored with its last turn, and everyone who waits gets it, once that is durable.
void Answers::finish(Entries::iterator at, Record& call, Activation& activation) {
  Entry& entry = at->second;
  const AnswerEnd end = end_of(call);
  entry.answer.end = kept_of(end, call);
  if (Answer* const unsaved = Saving::find_answer(activation, at->first))
    unsaved->end = entry.answer.end;
  else
    uses_.saving.add(activation, EndAnswer{.id = at->first, .end = entry.answer.end});
  const std::vector<Waiting> waiting = std::exchange(entry.waiting, {});
  keep_until(at, State::ended, uses_.saving.forming());
  const auto& schema = schemas_of(*call.method).result;
  for (const Waiting& one : waiting) {
    if (one.call->failure) continue;
    one.call->observed = uses_.saving.forming().value;
    one.call->site->answered_by = &call;
    give(*one.call, end, schema ? &*schema : nullptr);
    one.call->site->answered_by = nullptr;
  }
}

AnswerEnd Answers::end_of(Record& call) {
  if (const std::exception_ptr thrown = call.thrown()) return thrown_end(describe_thrown(thrown));
  AnswerEnd end{.status = AnswerStatus::returned};
  Schemas& schemas = schemas_of(*call.method);
  if (!schemas.result) return end;
  try {
    uses_.codec.encode(call.method->result(), call.result(), end.bytes);
  } catch (const std::length_error& error) {
    return thrown_end({ErrorCode::call_failed, "epic::Error",
                       fmt::format("the result of {} cannot be sent: {}; the method has run",
                                   uses_.words.describe(call), error.what())});
  }
  end.schema = schemas.result->id();
  if (!std::exchange(schemas.is_result_saved, true))
    uses_.saving.add_schema({schemas.result->id(), schemas.result->text()});
  return end;
}

/// A large result goes to those who wait for it now.
AnswerEnd Answers::kept_of(const AnswerEnd& end, const Record& call) const {
  if (end.bytes.size() <= limits::kAnswerBytesMax) return end;
  return thrown_end({ErrorCode::call_failed, "epic::Error",
                     fmt::format("the result of {} had {} bytes, and results of at most {} are kept for repeats of a "
                                 "call; the method has run",
                                 uses_.words.describe(call), end.bytes.size(), limits::kAnswerBytesMax)});
}

/// `schema`: that the result was written with; null: there is none, or it cannot be read.
void Answers::give(Record& call, const AnswerEnd& end, const reflect::Schema* schema) {
  if (end.status == AnswerStatus::threw) {
    const auto code = static_cast<ErrorCode>(end.error_code);
    call.site->answered_error = ErrorPart{code, end.error_type, text_of(end.bytes)};
    return uses_.calls.fail(call, make_exception(code, call.site->answered_error->message, end.error_type));
  }
  if (call.method->result != nullptr) {
    std::string why;
    if (schema == nullptr) {
      why = "its schema is unknown";
    } else if (const auto read = read_result(call, uses_.codec, end.bytes, *schema); !read) {
      why = fmt::format("{}: {}", read.error().path, read.error().what);
    }
    if (!why.empty())
      return uses_.calls.fail(call, ErrorCode::bad_arguments,
                              fmt::format("{} has run before with this idempotency key, and its result cannot be read: "
                                          "{}",
                                          uses_.words.describe(call), why));
  }
  uses_.calls.receive_result(call);
}

/// Once `begun` is durable: until then it may yet be undone, and the call run again.
void Answers::interrupt(Record& call, CommitNumber put_in, const std::string& why) {
  call.observed = put_in.value;
  uses_.calls.fail(call, ErrorCode::interrupted,
                   fmt::format("{} was interrupted, and does not run again under the idempotency key '{}': {}",
                               uses_.words.describe(call), call.site->extensions->idempotency_key, why));
}

void Answers::fail_all(std::vector<Waiting> waiting, const std::exception_ptr& failure) {
  for (const Waiting& one : waiting)
    if (!one.call->failure) uses_.calls.fail(*one.call, failure);
}

void Answers::route_all(std::vector<Waiting> waiting) {
  for (Waiting& one : waiting)
    if (!one.call->failure) listener_.route_again(std::move(one.call));
}

// ---- what becomes of it ----

/// Known here until the commit is durable; then the store knows it.
void Answers::keep_until(Entries::iterator at, State state, CommitNumber number) {
  if (uses_.saving.is_durable(number)) {
    entries_.erase(at);
    return;
  }
  at->second.state = state;
  at->second.known_to = number;
  kept_.emplace(number, at->first);
}

void Answers::on_undone(const AnswerId& id, UndoneAnswer what) {
  const auto at = entries_.find(id);
  if (at == entries_.end()) return;
  Entry& entry = at->second;
  const bool is_over = entry.state == State::ended || entry.state == State::interrupted;
  if (what == UndoneAnswer::end) {
    if (is_over) keep_until(at, State::interrupted, entry.put_in);
    return;
  }
  entry.is_stored = false;
  if (is_over) entries_.erase(at);  // as if it had never run; those who waited have got the error
}

void Answers::on_durable(CommitNumber number) {
  const auto kept_end = kept_.upper_bound(number);
  for (auto one = kept_.begin(); one != kept_end; one = kept_.erase(one)) {
    const auto at = entries_.find(one->second);
    if (at == entries_.end()) continue;
    const Entry& entry = at->second;
    const bool is_over = entry.state == State::ended || entry.state == State::interrupted;
    if (is_over && entry.known_to == one->first) entries_.erase(at);
  }
  const auto swept_end = swept_.upper_bound(number);
  for (auto one = swept_.begin(); one != swept_end; one = swept_.erase(one))
    looks_.emplace(uses_.scheduler.now_ns, one->second);
}

void Answers::on_map() {
  std::erase_if(watched_, [this](const auto& one) { return !is_current(one.first, one.second); });
  std::vector<Waiting> left;
  for (auto at = entries_.begin(); at != entries_.end();) {
    if (is_current(at->first.shard, at->second.epoch)) {
      ++at;
      continue;
    }
    std::ranges::move(at->second.waiting, std::back_inserter(left));
    at = entries_.erase(at);
  }
  route_all(std::move(left));
}

// ---- answers that are too old ----

void Answers::on_oldest(const ShardEpoch& tenure, std::expected<std::optional<std::int64_t>, std::string> begun_at_ns) {
  const auto watched = watched_.find(tenure.shard);
  if (watched == watched_.end() || watched->second != tenure.epoch || !is_current(tenure.shard, tenure.epoch)) return;
  const std::int64_t kept_ns = std::chrono::nanoseconds(limits::kAnswersKeptFor).count();
  const std::int64_t now_ns = uses_.scheduler.now_ns;
  if (!begun_at_ns) {
    uses_.syscalls.log(LogLevel::error, {},
                       fmt::format("the answers of shard {} cannot be read: {}", tenure.shard, begun_at_ns.error()));
    looks_.emplace(now_ns + limits::kAnswersLookAgain.count(), tenure.shard);
    return;
  }
  if (!*begun_at_ns) {  // the first call with a key may be the next
    looks_.emplace(now_ns + kept_ns, tenure.shard);
    return;
  }
  std::int64_t before_ns = uses_.scheduler.wall_ns - kept_ns;
  if (before_ns <= **begun_at_ns) {
    looks_.emplace(now_ns + (**begun_at_ns - before_ns) + 1, tenure.shard);
    return;
  }
  for (const auto& [id, entry] : entries_)  // what still runs or is being saved keeps its row
    if (id.shard == tenure.shard && entry.is_stored) before_ns = std::min(before_ns, entry.answer.begun_at_ns);
  if (before_ns <= **begun_at_ns) {
    looks_.emplace(now_ns + limits::kAnswersLookAgain.count(), tenure.shard);
    return;
  }
  uses_.saving.add(
      SweepAnswers{.shard = tenure.shard, .begun_before_ns = before_ns, .rows_max = limits::kAnswersSweptAtOnce});
  swept_.emplace(uses_.saving.forming(), tenure.shard);
}

void Answers::on_time() {
  while (!looks_.empty() && looks_.begin()->first <= uses_.scheduler.now_ns) {
    const ShardId shard = looks_.extract(looks_.begin()).value().second;
    const auto watched = watched_.find(shard);
    if (watched != watched_.end() && is_current(shard, watched->second))
      uses_.syscalls.load_oldest_answer({shard, watched->second});
  }
}

std::optional<std::int64_t> Answers::next_timer_ns() const {
  return looks_.empty() ? std::nullopt : std::optional(looks_.begin()->first);
}

}  // namespace epic::kernel
