// epic::testing::Script: a kernel that owns one shard, that of the script's entity. Every other shard belongs to a
// peer, which is the test: what the kernel sends it are the tokens. The store has nothing and accepts everything at
// once. The public header is epic/script.hpp.

#include "epic/script.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <deque>
#include <optional>
#include <set>

#include "codec/capnp_codec.hpp"
#include "codec/json_codec.hpp"
#include "kernel/errors.hpp"
#include "kernel/kernel.hpp"
#include "kernel/lister.hpp"
#include "kernel/placement_groups.hpp"
#include "protocol/json.hpp"
#include "reflect/schema_of.hpp"

namespace epic::detail {
namespace {

using namespace std::chrono_literals;
using kernel::NodeId;
using kernel::PeerAddress;
using testing::ScriptError;

/// As many as a fabric may have: another entity shares the shard if both keys have the same {tag}, and else once in
/// 4096. Each costs memory, and a script is to take less than a millisecond.
constexpr std::uint32_t kShardCount = 1u << 12;
constexpr PeerAddress kSelf{NodeId{1}, 1};
constexpr PeerAddress kTest{NodeId{2}, 1};
constexpr auto kTestCallTimeout = 24h;                            // of the test's own calls, on the script's clock
constexpr auto kIdleAge = 24h * 36'500;                           // the entity stays: its state is saved nowhere
constexpr std::int64_t kWallStartNs = 1'700'000'000'000'000'000;  // an arbitrary fixed time

std::string duration_text(std::chrono::nanoseconds duration) {
  if (duration % 1s == 0ns) return fmt::format("{}s", duration / 1s);
  if (duration % 1ms == 0ns) return fmt::format("{}ms", duration / 1ms);
  return fmt::format("{}ns", duration.count());
}

/// Null for what is asked of an open file, which is no token.
const char* verb_of(FileAction action) {
  switch (action) {
    case FileAction::read:
      return "read";
    case FileAction::write:
      return "write";
    case FileAction::append:
      return "append";
    case FileAction::remove:
      return "remove";
    case FileAction::open:
      return "open";
    case FileAction::read_part:
    case FileAction::write_part:
    case FileAction::append_part:
    case FileAction::sync:
    case FileAction::size:
    case FileAction::close:
      return nullptr;
  }
  return nullptr;
}

/// Of a request that is a token: its path, and how it is opened.
std::string file_text(const FileWork& file, std::string_view ending = {}) {
  if (file.action != FileAction::open) return fmt::format("{}{} {}", verb_of(file.action), ending, file.path);
  const auto how = [&file] {
    switch (file.mode) {
      case FileMode::read:
        return "read";
      case FileMode::write:
        return "write";
      case FileMode::append:
        return "append";
      case FileMode::update:
        return "update";
    }
    return "";
  };
  return fmt::format("{}{} {} to {}", verb_of(file.action), ending, file.path, how());
}

std::string function_text(const std::type_info& result) {
  const std::string type = result == typeid(std::string) ? "std::string" : kernel::readable_type(result);
  return fmt::format("a function on another thread that returns {}", type);
}

bool has_same_tag(std::string_view one, std::string_view other) {
  const auto tag_of = [](std::string_view entity) {
    return kernel::placement_key(entity.substr(entity.find('/') + 1));
  };
  return tag_of(one) == tag_of(other);
}

}  // namespace

struct ScriptRun::Impl final : kernel::Syscalls {
  Impl(const ModuleInfo& module, std::string_view entity)
      : name(entity),
        kernel({.self = kSelf,
                .fabric = "script",
                .placement = kernel::placement_for(module, kShardCount),
                .idle_age = kIdleAge},
               codec, *this) {
    if (const auto added = kernel.add_module(module); !added) throw ScriptError(added.error());
    for (const auto& type : kernel.types().all()) type->local_max = 0;  // calls of other local entities are tokens, too
    kernel::HelloMessage hello = kernel.hello();
    hello.from = kTest;
    hello.takes_broadcasts = false;  // each of its calls is one of the script
    kernel.on_time(now_ns, kWallStartNs + now_ns);
    kernel.on_hello(kTest, hello);
    kernel::ShardMap map{.version = kernel::MapVersion{1},
                         .owners = std::vector(kShardCount, kTest.node),
                         .members = {{kSelf.node, kernel::Incarnation{kSelf.life}, ""},
                                     {kTest.node, kernel::Incarnation{kTest.life}, ""}},
                         .moving = {},
                         .owned_since = {}};
    map.owners[kernel.options().placement.shard_of(name).value] = kSelf.node;
    kernel.on_shard_map(std::move(map));
    drive();
  }

  // ---- what the kernel asks ----
  void send(const PeerAddress&, kernel::Message message) override {
    if (auto* const call = std::get_if<kernel::CallMessage>(&message)) {
      note(fmt::format("calls {}.{}", kernel.types().shown(call->target), entry_of(*call).method));
      waiting.push_back(std::move(*call));
    } else if (const auto* cancel = std::get_if<kernel::CancelMessage>(&message)) {
      note(fmt::format("cancels call {}", cancel->id.sequence));
      cancelled.insert(cancel->id.sequence);
    }
  }
  [[nodiscard]] bool has_room(const PeerAddress&) const override { return true; }
  void load(kernel::ActivationId activation, std::string_view type, std::string_view key) override {
    if (fmt::format("{}/{}", type, key) != name)
      events.emplace_back([this, activation, other = fmt::format("{}/{}", type, key)] {
        kernel.on_loaded(activation, std::unexpected("not part of this script"));
        fault =
            has_same_tag(other, name)
                ? fmt::format("{} has the same {{tag}}, so it would run here, too: test them together with Node", other)
                : fmt::format("{} happens to share a shard with {}: give one of them another key", other, name);
      });
    else
      events.emplace_back([this, activation] { kernel.on_loaded(activation, kernel::LoadedState{}); });
  }
  void load_mail(const kernel::ShardEpoch&, std::uint64_t) override {
  }  // nothing arrives here, not even what it sends itself
  void load_answer(const kernel::ShardEpoch& tenure, const kernel::AnswerId& id) override {
    events.emplace_back([this, tenure, id] { kernel.on_answer_loaded(tenure, id, kernel::FoundAnswer{}); });
  }
  void load_oldest_answer(const kernel::ShardEpoch&) override {}  // none grows old here
  void load_reminders(const kernel::ShardEpoch& tenure, const kernel::ReminderPlace& after, std::size_t) override {
    events.emplace_back(
        [this, tenure, after] { kernel.on_reminders_loaded(tenure, kernel::ReminderPage{.next = after}); });
  }
  void commit(kernel::Batch batch) override {
    for (kernel::Operation& operation : batch.operations) {
      if (auto* const put = std::get_if<kernel::PutMail>(&operation)) {
        if (put->mail.status != kernel::MailStatus::waiting) continue;  // what a reminder has become
        note(fmt::format("delivers {}.{}", kernel.types().shown(put->mail.to), put->mail.method));
        mail.push_back(std::move(put->mail));
      } else if (auto* const set = std::get_if<kernel::SetReminder>(&operation)) {
        note(fmt::format("sets the reminder '{}', which calls {}", set->reminder.name.name, set->reminder.method));
        reminders.push_back({std::move(set->reminder), kernel.wall_ns()});
      } else if (const auto* const forget = std::get_if<kernel::ForgetReminder>(&operation);
                 forget != nullptr && !forget->name.name.empty()) {
        note(fmt::format("forgets the reminder '{}'", forget->name.name));
        kernel::Reminder removed;
        removed.name = forget->name;
        reminders.push_back({std::move(removed), kernel.wall_ns()});
      }
    }
    events.emplace_back([this, number = batch.number] { kernel.on_committed(number); });
  }
  void take(std::vector<kernel::ShardId> shards) override {
    events.emplace_back([this, shards = std::move(shards)] {
      std::vector<kernel::ShardEpoch> taken;
      for (const kernel::ShardId shard : shards) taken.push_back({shard, kernel::Epoch{1}});
      kernel.on_taken(taken);
    });
  }
  void released(kernel::ShardId) override {}
  void start_blocking(std::shared_ptr<BlockingWork> work) override {
    if (const FileWork* const file = work->as_file(); file == nullptr) {
      note("runs " + function_text(work->result_type()));
    } else if (verb_of(file->action) != nullptr) {
      note(file_text(*file, "s"));
    } else {  // an open file is in the test's memory
      events.emplace_back([this, work] {
        if (!work->is_abandoned()) work->run(nullptr);
        kernel.on_blocking_ended(work);
      });
      return;
    }
    blocking.push_back(std::move(work));
  }
  void log(kernel::LogLevel, std::string_view, std::string_view message) override { lines.emplace_back(message); }

  // ---- running ----
  /// Until everything waits for the test or for the clock.
  void drive() {
    kernel.on_time(now_ns, kWallStartNs + now_ns);
    while (true) {
      while (kernel.run(64)) {
      }
      kernel.seal();
      if (events.empty()) {
        if (kernel.run(0)) continue;
        break;
      }
      for (const auto& event : std::exchange(events, {})) event();
    }
    if (!fault.empty()) throw ScriptError(std::exchange(fault, {}));
  }
  void pass(std::chrono::nanoseconds duration) {
    const std::int64_t end = now_ns + duration.count();
    while (now_ns < end) {
      const auto next = kernel.next_timer_ns();
      if (!next || *next > end) break;
      now_ns = std::max(now_ns + 1, *next);
      drive();
    }
    now_ns = end;
    drive();
  }

  // ---- tokens ----
  [[nodiscard]] const kernel::MethodEntry& entry_of(const kernel::CallMessage& call) const {
    return kernel.types().hello_methods().at(call.method);
  }
  /// How long until the first sleep ends.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> sleep() {
    const auto due = kernel.parked().next_timer_ns();
    return due ? std::optional(std::chrono::nanoseconds(*due - now_ns)) : std::nullopt;
  }
  void note(std::string token) { history.push_back(std::move(token)); }
  /// The next request, if it is this one.
  std::shared_ptr<BlockingWork> take_file(const FileWork& wanted) {
    if (blocking.empty()) refuse(fmt::format("it does not {}", file_text(wanted)));
    const FileWork* const next = blocking.front()->as_file();
    if (next == nullptr || next->action != wanted.action || next->path != wanted.path || next->mode != wanted.mode)
      refuse(fmt::format("it does not {} next", file_text(wanted)));
    std::shared_ptr<BlockingWork> work = std::move(blocking.front());
    blocking.pop_front();
    return work;
  }
  [[noreturn]] void refuse(std::string_view what) {
    std::string text = fmt::format("the script of {}: {}", kernel.types().shown(name), what);
    if (const auto left = sleep()) text += fmt::format("; it sleeps for {}", duration_text(*left));
    if (const kernel::EntityTimer* timer = kernel.timers().first())
      text += fmt::format("; its next timer calls {} in {}", timer->method,
                          duration_text(std::chrono::nanoseconds(timer->due_ns - now_ns)));
    text += history.empty() ? "; it has asked for nothing yet" : "\nso far it";
    for (std::size_t i = 0; i < history.size(); ++i) {
      const bool is_next = history.size() - i <= waiting.size();
      text += fmt::format("\n  {}. {}{}", i + 1, history[i], is_next ? "   (not expected yet)" : "");
    }
    throw ScriptError(text);
  }

  codec::CapnpCodec codec;
  std::string name;
  std::int64_t now_ns = 1;
  std::vector<std::function<void()>> events;           // answers of the store and of coordination
  std::deque<kernel::CallMessage> waiting;             // tokens that the test has not taken yet
  std::deque<kernel::Mail> mail;                       // likewise
  std::deque<std::shared_ptr<BlockingWork>> blocking;  // likewise
  struct ReminderChange {
    kernel::Reminder reminder;  // without a method: it is removed
    std::int64_t at_ns;         // wall clock
  };
  std::deque<ReminderChange> reminders;  // likewise
  std::set<std::uint64_t> cancelled;     // by the entity
  std::vector<std::string> history;      // of all tokens
  std::vector<std::string> lines;
  std::string fault;
  kernel::Kernel kernel;
};

ScriptRun::ScriptRun(const ModuleInfo& module, std::string_view entity)
    : impl_(std::make_unique<Impl>(module, entity)) {}
ScriptRun::~ScriptRun() = default;

void ScriptRun::start(RecordPtr<CallRecord> record, std::shared_ptr<bool> has_ended) {
  record->callee = parse_name(impl_->name);
  impl_->kernel.submit(std::move(record), kTestCallTimeout,
                       [has_ended = std::move(has_ended)](kernel::Record&) { *has_ended = true; });
  impl_->drive();
}

std::uint64_t ScriptRun::take_call(std::string_view entity, std::string_view method, const reflect::TypeInfo& type,
                                   void* arguments) {
  const std::string wanted = fmt::format("{}.{}", entity, method);
  if (impl_->waiting.empty()) impl_->refuse(fmt::format("it does not call {}", wanted));
  const kernel::CallMessage& call = impl_->waiting.front();
  const kernel::TypeTable& types = impl_->kernel.types();
  if (impl_->entry_of(call).method != method || types.stored(call.target) != types.stored(entity))
    impl_->refuse(fmt::format("it does not call {} next", wanted));
  const auto schema = reflect::Schema::parse(impl_->entry_of(call).arguments_schema);
  if (!schema) impl_->refuse(schema.error());
  if (const auto read = impl_->codec.decode(call.arguments, *schema, type, arguments); !read)
    impl_->refuse(fmt::format("the arguments of {} cannot be read: {}", wanted, read.error().what));
  const std::uint64_t number = call.id.sequence;
  impl_->waiting.pop_front();
  return number;
}

std::uint64_t ScriptRun::take_list(std::string_view type, std::string_view prefix, ListOptions& options) {
  constexpr auto kMethod = &kernel::Lister::page;
  MethodTraits<decltype(&kernel::Lister::page)>::Arguments arguments;
  const std::uint64_t call = take_call(fmt::format("{}/{}", kernel::kListerType, type), method_name_of<kMethod>(),
                                       arguments_info<kMethod>(), &arguments);
  const auto& [asked_type, asked_prefix, after, limit] = arguments;
  if (asked_prefix != prefix)
    impl_->refuse(
        fmt::format("it lists entities of {} that begin with '{}', not with '{}'", asked_type, asked_prefix, prefix));
  options = {.after = after, .limit = limit};
  return call;
}

void ScriptRun::take_mail(std::string_view entity, std::string_view method, const reflect::TypeInfo& type,
                          void* arguments) {
  const std::string wanted = fmt::format("{}.{}", entity, method);
  if (impl_->mail.empty()) impl_->refuse(fmt::format("it does not deliver {}", wanted));
  const kernel::Mail& mail = impl_->mail.front();
  if (mail.method != method || mail.to != impl_->kernel.types().stored(entity))
    impl_->refuse(fmt::format("it does not deliver {} next", wanted));
  if (const auto read = impl_->codec.decode(mail.arguments, reflect::schema_of(type), type, arguments); !read)
    impl_->refuse(fmt::format("the arguments of {} cannot be read: {}", wanted, read.error().what));
  impl_->mail.pop_front();
}

void ScriptRun::take_reminder(std::string_view name, std::chrono::nanoseconds due_in, std::chrono::nanoseconds every,
                              std::string_view method, const reflect::TypeInfo& type, void* arguments) {
  const std::string wanted =
      fmt::format("set the reminder '{}', which calls {} in {}{}", name, method, duration_text(due_in),
                  every.count() == 0 ? std::string() : " and every " + duration_text(every));
  if (impl_->reminders.empty()) impl_->refuse(fmt::format("it does not {}", wanted));
  const auto& [reminder, at_ns] = impl_->reminders.front();
  if (reminder.name.name != name || reminder.method != method || reminder.every_ns != every.count() ||
      reminder.due_ns - at_ns != due_in.count())
    impl_->refuse(fmt::format("it does not {} next", wanted));
  if (const auto read = impl_->codec.decode(reminder.arguments, reflect::schema_of(type), type, arguments); !read)
    impl_->refuse(fmt::format("the arguments of the reminder '{}' cannot be read: {}", name, read.error().what));
  impl_->reminders.pop_front();
}

void ScriptRun::take_forgotten(std::string_view name) {
  const bool is_next = !impl_->reminders.empty() && impl_->reminders.front().reminder.method.empty() &&
                       impl_->reminders.front().reminder.name.name == name;
  if (!is_next) impl_->refuse(fmt::format("it does not forget the reminder '{}' next", name));
  impl_->reminders.pop_front();
}

std::shared_ptr<BlockingWork> ScriptRun::take_blocking(const std::type_info& result) {
  const std::string wanted = "run " + function_text(result);
  if (impl_->blocking.empty()) impl_->refuse(fmt::format("it does not {}", wanted));
  BlockingWork& next = *impl_->blocking.front();
  if (next.as_file() != nullptr || next.result_type() != result)
    impl_->refuse(fmt::format("it does not {} next", wanted));
  std::shared_ptr<BlockingWork> work = std::move(impl_->blocking.front());
  impl_->blocking.pop_front();
  return work;
}

std::shared_ptr<BlockingWork> ScriptRun::take_file(FileAction action, std::string_view path) {
  return impl_->take_file(FileWork(action, std::string(path)));
}

std::shared_ptr<BlockingWork> ScriptRun::take_open(std::string_view path, FileMode mode) {
  FileWork wanted(FileAction::open, std::string(path));
  wanted.mode = mode;
  return impl_->take_file(wanted);
}

void ScriptRun::end_blocking(const std::shared_ptr<BlockingWork>& work) {
  impl_->kernel.on_blocking_ended(work);
  impl_->drive();
}

void ScriptRun::take_sleep(std::chrono::nanoseconds duration) {
  if (!impl_->waiting.empty() || !impl_->blocking.empty())
    impl_->refuse(fmt::format("it does not sleep for {} next", duration_text(duration)));
  if (impl_->sleep() != duration) impl_->refuse(fmt::format("it does not sleep for {}", duration_text(duration)));
  impl_->note(fmt::format("sleeps for {}", duration_text(duration)));
  pass(duration);
}

void ScriptRun::take_tick(bool (*is_meant)(const MethodPointer& method), std::string_view name,
                          std::chrono::nanoseconds delay) {
  const kernel::EntityTimer* const timer = impl_->kernel.timers().first();
  if (timer == nullptr || !is_meant(timer->source->method()) || timer->due_ns - impl_->now_ns != delay.count())
    impl_->refuse(fmt::format("no timer calls {} next in {}", name, duration_text(delay)));
  pass(delay);
  impl_->note(fmt::format("had a tick of {} after {}", name, duration_text(delay)));
}

void ScriptRun::answer(std::uint64_t call, const reflect::TypeInfo* type, const void* result) {
  kernel::ResultPart part;
  if (type != nullptr) impl_->codec.encode(*type, result, part.bytes);
  impl_->kernel.on_message(kTest, kernel::ReplyMessage{call, std::move(part)});
  impl_->drive();
}

void ScriptRun::fail(std::uint64_t call, const std::exception_ptr& exception) {
  impl_->kernel.on_message(kTest, kernel::ReplyMessage{call, kernel::describe_thrown(exception)});
  impl_->drive();
}

bool ScriptRun::is_cancelled(std::uint64_t call) const { return impl_->cancelled.contains(call); }

void ScriptRun::pass(std::chrono::nanoseconds duration) { impl_->pass(duration); }

void ScriptRun::announce_stop() {
  impl_->kernel.on_stop_announced();
  impl_->drive();
}

std::string ScriptRun::state() {
  const kernel::Activation* const activation = impl_->kernel.activations().find(impl_->name);
  if (activation == nullptr || activation->entity == nullptr) impl_->refuse("it has no state before its first call");
  const reflect::EntityInfo& info = *activation->type->info;
  return protocol::print_json(codec::to_json(info.state, info.object(activation->entity)));
}

const std::vector<std::string>& ScriptRun::log() const { return impl_->lines; }

void ScriptRun::refuse(std::string_view what) const { impl_->refuse(what); }

}  // namespace epic::detail
