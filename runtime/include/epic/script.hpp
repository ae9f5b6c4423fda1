#pragma once
// Script: one entity as a pure function, in a test program. Whatever it asks of the world comes out as a token, in the
// order in which it asks; the test answers each, and looks at the result, the state and the log.
//
//   epic::testing::Script<Player> bob("Bob");
//   auto level = bob.call<&Player::enter_level>("yard", std::vector{Ref<Barrel>(1)});
//   bob.expect(calls<&Barrel::on_hit>("Barrel/1")).answer(false);
//   bob.expect(sleeps(10ms));                                       // its clock moves on to the end
//   bob.expect(ticks<&Player::regain_strength>(1s));                // a timer of its own; the clock moves on to it
//   bob.expect(calls<&Barrel::on_hit>("Barrel/1")).answer(true);
//   bob.expect(blocks<std::string>()).answer("a page");             // epic::blocking; or run() it
//   bob.expect(reads("levels/3.txt")).answer("a level");            // the same for files: writes, appends, removes
//   auto log = bob.expect(opens("log", FileMode::append));          // a File;
//   log.answer("old\n");                                            // … its content; later look at log.content()
//   bob.expect(lists<Player>("Bo")).answer({.keys = {"Bob"}});      // epic::list
//   auto sent = bob.expect(delivers<&Bank::deposit>("Bank/1"));     // a message, which needs no answer
//   bob.expect(reminds<&Player::say_goodnight>("bedtime", 12h));    // a reminder; pass(12h) lets it call its method
//   CHECK(level.result() == 1);
//
// The class needs no change and no mock: a real kernel runs it, with its locks, deadlines and encoded messages. Other
// entities exist only as the answers that the test gives. Names, arguments and results are checked by the compiler. An
// expectation that does not hold throws ScriptError, whose text lists the tokens so far. A call that a copy answers
// (Ref::cached) is no token: the first one is, and then the next when pass() has made the copy too old.
//
// Not here: several entities together, saving and crashes (epic/testing.hpp).

#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <typeinfo>
#include <utility>
#include <vector>

#include "epic/epic.hpp"
#include "epic/script_files.hpp"
#include "epic/script_run.hpp"

/// What EPIC_MODULE defines.
extern "C" const epic::ModuleInfo* epic_module();

namespace epic::testing {

/// The token of a call: see calls().
template <auto Method>
struct CallToken {
  std::string entity;
};
/// The token of a sleep: see sleeps().
struct SleepToken {
  std::chrono::nanoseconds duration;
};

/// The token of a function that runs on another thread: see blocks().
template <class R>
struct BlockingToken {};

/// The token of epic::list: see lists().
struct ListToken {
  std::string type;
  std::string prefix;
};

/// The token of a message: see delivers().
template <auto Method>
struct MailToken {
  std::string entity;
};

/// The token of a reminder: see reminds().
template <auto Method>
struct ReminderToken {
  std::string name;
  std::chrono::nanoseconds due_in;
  std::chrono::nanoseconds every;
};

/// The token of a reminder that is removed: see forgets().
struct ForgottenToken {
  std::string name;
};

/// The token of a timer's tick: see ticks().
template <auto Method>
struct TickToken {
  std::chrono::nanoseconds delay;
};

/// The entity calls `Method` of `entity`, "Type/Key".
template <auto Method>
[[nodiscard]] CallToken<Method> calls(std::string_view entity) {
  return {std::string(entity)};
}
/// The entity asks for a page of the keys that begin with `prefix` (epic::list).
template <class T>
[[nodiscard]] ListToken lists(std::string_view prefix = {}) {
  return {std::string(T::epic_type_name()), std::string(prefix)};
}
/// The entity sends a message that calls `Method` of `entity`, "Type/Key". Sent once its turn has ended; whether it
/// arrives is not part of a script.
template <auto Method>
[[nodiscard]] MailToken<Method> delivers(std::string_view entity) {
  return {std::string(entity)};
}
/// The entity sets a reminder that calls `Method` in `due_in` from now, and then each `every`; 0: once. Setting an
/// equal one again is no token. When it is due, it calls the method: pass() moves the clock on.
template <auto Method>
[[nodiscard]] ReminderToken<Method> reminds(std::string_view name, std::chrono::nanoseconds due_in,
                                            std::chrono::nanoseconds every = std::chrono::nanoseconds(0)) {
  return {std::string(name), due_in, every};
}
/// The entity removes a reminder.
[[nodiscard]] inline ForgottenToken forgets(std::string_view name) { return {std::string(name)}; }
/// The entity sleeps for `duration`. If several of its calls sleep, the one that ends first counts.
[[nodiscard]] inline SleepToken sleeps(std::chrono::nanoseconds duration) { return {duration}; }
/// The entity gives a function that returns an R to epic::blocking or epic::blocking_pure.
template <class R = void>
[[nodiscard]] BlockingToken<R> blocks() {
  return {};
}
/// A timer of the entity calls `Method` in `delay` from now, and no other timer is due before.
template <auto Method>
[[nodiscard]] TickToken<Method> ticks(std::chrono::nanoseconds delay) {
  return {delay};
}

/// A call that the entity has made, with its arguments, to be answered by the test. Must not outlive its script.
template <auto Method>
class AskedCall {
  using Traits = epic::detail::MethodTraits<decltype(Method)>;
  using Result = epic::detail::ResultOf<Method>;

 public:
  using Arguments = typename Traits::Arguments;

  AskedCall(epic::detail::ScriptRun& run, const CallToken<Method>& token) : run_(run) {
    call_ = run_.take_call(token.entity, epic::detail::method_name_of<Method>(), epic::detail::arguments_info<Method>(),
                           &arguments_);
  }

  [[nodiscard]] const Arguments& arguments() const { return arguments_; }
  template <std::size_t index>
  [[nodiscard]] const auto& argument() const {
    return std::get<index>(arguments_);
  }

  /// The entity has cancelled it (Spawned::cancel). An answer no longer reaches it.
  [[nodiscard]] bool is_cancelled() const { return run_.is_cancelled(call_); }

  /// The call returns, and the entity goes on until it waits again.
  void answer() const
    requires std::is_void_v<Result>
  {
    run_.answer(call_, nullptr, nullptr);
  }
  template <std::convertible_to<Result> Value>
    requires(!std::is_void_v<Result>)
  void answer(Value&& value) const {
    const Result result = std::forward<Value>(value);
    run_.answer(call_, &reflect::type_of<Result>(), &result);
  }
  /// The call throws: what the method threw, or an epic::Error such as epic::NodeLost.
  template <std::derived_from<std::exception> Exception>
  void fail(Exception exception) const {
    run_.fail(call_, std::make_exception_ptr(std::move(exception)));
  }

 private:
  epic::detail::ScriptRun& run_;
  Arguments arguments_{};
  std::uint64_t call_ = 0;
};

/// A page that the entity has asked for.
class AskedList {
 public:
  AskedList(epic::detail::ScriptRun& run, const ListToken& token)
      : run_(run), call_(run.take_list(token.type, token.prefix, options_)) {}

  /// After which key, and how many at most.
  [[nodiscard]] const ListOptions& options() const { return options_; }
  void answer(const ListPage& page) const { run_.answer(call_, &reflect::type_of<ListPage>(), &page); }
  template <std::derived_from<std::exception> Exception>
  void fail(Exception exception) const {
    run_.fail(call_, std::make_exception_ptr(std::move(exception)));
  }
  [[nodiscard]] bool is_cancelled() const { return run_.is_cancelled(call_); }

 private:
  epic::detail::ScriptRun& run_;
  ListOptions options_;
  std::uint64_t call_;
};

/// A function that the entity has given to epic::blocking. The test runs it, or says what comes of it, once.
template <class R>
class AskedBlocking {
 public:
  AskedBlocking(epic::detail::ScriptRun& run, const BlockingToken<R>&)
      : run_(run), work_(run.take_blocking(typeid(R))) {}

  /// Runs it on the test's thread, and then the entity until it waits again.
  void run() const {
    work_->run(nullptr);
    run_.end_blocking(work_);
  }
  /// It returns, without having run.
  void answer() const
    requires std::is_void_v<R>
  {
    run_.end_blocking(work_);
  }
  template <std::convertible_to<R> Value>
    requires(!std::is_void_v<R>)
  void answer(Value&& value) const {
    static_cast<epic::detail::BlockingOutcome<R>&>(*work_).outcome.value.emplace(std::forward<Value>(value));
    run_.end_blocking(work_);
  }
  /// It throws, without having run.
  template <class Exception>
  void fail(Exception exception) const {
    work_->fail(std::make_exception_ptr(std::move(exception)));
    run_.end_blocking(work_);
  }
  /// Nobody waits for it any longer.
  [[nodiscard]] bool is_cancelled() const { return work_->is_abandoned(); }

 private:
  epic::detail::ScriptRun& run_;
  std::shared_ptr<epic::detail::BlockingWork> work_;
};

/// A message that the entity has sent.
template <auto Method>
class SentMail {
 public:
  using Arguments = typename epic::detail::MethodTraits<decltype(Method)>::Arguments;

  SentMail(epic::detail::ScriptRun& run, const MailToken<Method>& token) {
    run.take_mail(token.entity, epic::detail::method_name_of<Method>(), epic::detail::arguments_info<Method>(),
                  &arguments_);
  }
  [[nodiscard]] const Arguments& arguments() const { return arguments_; }
  template <std::size_t index>
  [[nodiscard]] const auto& argument() const {
    return std::get<index>(arguments_);
  }

 private:
  Arguments arguments_{};
};

/// A reminder that the entity has set.
template <auto Method>
class SetReminder {
 public:
  using Arguments = typename epic::detail::MethodTraits<decltype(Method)>::Arguments;

  SetReminder(epic::detail::ScriptRun& run, const ReminderToken<Method>& token) {
    run.take_reminder(token.name, token.due_in, token.every, epic::detail::method_name_of<Method>(),
                      epic::detail::arguments_info<Method>(), &arguments_);
  }
  [[nodiscard]] const Arguments& arguments() const { return arguments_; }
  template <std::size_t index>
  [[nodiscard]] const auto& argument() const {
    return std::get<index>(arguments_);
  }

 private:
  Arguments arguments_{};
};

/// A call that the test has started.
template <class R>
class StartedCall {
 public:
  StartedCall(epic::detail::ScriptRun& run, epic::detail::RecordPtr<epic::detail::ResultRecord<R>> record,
              std::shared_ptr<const bool> has_ended)
      : run_(run), record_(std::move(record)), has_ended_(std::move(has_ended)) {}

  [[nodiscard]] bool has_ended() const { return *has_ended_; }
  /// What the method returned; throws what it threw. Once.
  R result() {
    if (!has_ended()) run_.refuse("the call has not ended");
    return record_->take();
  }

 private:
  epic::detail::ScriptRun& run_;
  epic::detail::RecordPtr<epic::detail::ResultRecord<R>> record_;
  std::shared_ptr<const bool> has_ended_;
};

template <class T>
class Script {
 public:
  explicit Script(std::string_view key, const ModuleInfo& module = *epic_module())
      : ref_(key), run_(module, ref_.name()) {}
  explicit Script(std::integral auto key, const ModuleInfo& module = *epic_module())
      : ref_(key), run_(module, ref_.name()) {}

  /// Calls the entity, and runs it until the call has ended or all of its calls wait.
  template <auto Method, class... Values>
  StartedCall<epic::detail::ResultOf<Method>> call(Values&&... values) {
    using R = epic::detail::ResultOf<Method>;
    static_assert(std::constructible_from<typename epic::detail::MethodTraits<decltype(Method)>::Arguments, Values...>,
                  "epic: these are not the method's parameters");
    const reflect::MethodInfo* const method = T::epic_info().find_method(epic::detail::method_name_of<Method>());
    if (method == nullptr) run_.refuse("the method is not listed in EPIC_ENTITY");
    epic::detail::RecordPtr<epic::detail::ResultRecord<R>> record(
        static_cast<epic::detail::ResultRecord<R>*>(method->make_record()));
    using Arguments = typename epic::detail::MethodTraits<decltype(Method)>::Arguments;
    *static_cast<Arguments*>(record->arguments()) = Arguments(std::forward<Values>(values)...);
    auto has_ended = std::make_shared<bool>(false);
    run_.start(epic::detail::RecordPtr<epic::detail::CallRecord>::share(*record), has_ended);
    return {run_, std::move(record), std::move(has_ended)};
  }

  /// The next token must be this call. Answer it, now or later.
  template <auto Method>
  AskedCall<Method> expect(const CallToken<Method>& token) {
    return AskedCall<Method>(run_, token);
  }
  /// The next token must be this page. Answer it, now or later.
  AskedList expect(const ListToken& token) { return AskedList(run_, token); }
  /// The next message that the entity sends must be this one.
  template <auto Method>
  SentMail<Method> expect(const MailToken<Method>& token) {
    return SentMail<Method>(run_, token);
  }
  /// The next change of a reminder must be this one.
  template <auto Method>
  SetReminder<Method> expect(const ReminderToken<Method>& token) {
    return SetReminder<Method>(run_, token);
  }
  void expect(const ForgottenToken& token) { run_.take_forgotten(token.name); }
  /// The next token must be a function for another thread. Run or answer it, now or later.
  template <class R>
  AskedBlocking<R> expect(const BlockingToken<R>& token) {
    return AskedBlocking<R>(run_, token);
  }
  /// The next token must be this request for a file. Answer it, now or later.
  AskedFile expect(const FileToken& token) { return AskedFile(run_, token); }
  /// The next token must be this file. Answer it, now or later.
  AskedOpen expect(const OpenToken& token) { return AskedOpen(run_, token); }
  /// The next token must be this sleep; the clock moves on to its end.
  void expect(const SleepToken& token) { run_.take_sleep(token.duration); }
  /// The next tick must be this one; the clock moves on to it, and it runs until it has ended or waits.
  template <auto Method>
  void expect(const TickToken<Method>& token) {
    run_.take_tick([](const epic::detail::MethodPointer& method) { return method.is(Method); },
                   epic::detail::method_name_of<Method>(), token.delay);
  }

  /// The entity learns that its node is to stop: epic::stopping() is true from now on. Its running calls go on.
  void announce_stop() { run_.announce_stop(); }
  /// The clock moves on, and whatever becomes due runs.
  void pass(std::chrono::nanoseconds duration) { run_.pass(duration); }

  [[nodiscard]] Ref<T> self() const { return ref_; }
  /// The members listed in state(…), as JSON: {"score":3}.
  [[nodiscard]] std::string state() { return run_.state(); }
  /// What the entity has logged.
  [[nodiscard]] const std::vector<std::string>& log() const { return run_.log(); }

 private:
  Ref<T> ref_;
  epic::detail::ScriptRun run_;
};

}  // namespace epic::testing
