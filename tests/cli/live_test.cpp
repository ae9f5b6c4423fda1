#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>

#include "cli/project/subprocess.hpp"
#include "cli/stand_in.hpp"
#include "cli/transcript.hpp"

using epic::cli_test::answer;
using epic::cli_test::kManifest;
using epic::cli_test::StandIn;
using epic::cli_test::stream;
using epic::cli_test::Transcript;

namespace {

StandIn::Answer refusal(epic::protocol::AnswerStatus status, std::string message) {
  return {.status = status, .parts = {}, .message = std::move(message)};
}

const auto kTypes = answer(
    R"({"types":[{"type":"Player","methods":[{"name":"get_score","parameters":[],"result":"int64"},
        {"name":"enter_level","parameters":["list<ref>"],"result":""}]},{"type":"Barrel","methods":[]}]})");

}  // namespace

TEST_CASE("live: ps prints fields between tabs in a pipe, and JSON when asked", "[cli]") {
  Transcript transcript("live_ps");
  transcript.write("epic.toml", kManifest);
  StandIn fabric(transcript.directory(), {{"ps", answer(R"({"nodes":[
                     {"node":"node-1","pid":101,"state":"ready","shards":32,"entities":16,"calls":1,"restarts":0,
                      "resident_bytes":14000000,"uptime_ms":61000,"last_exit":null},
                     {"node":"node-2","pid":102,"state":"backoff","shards":0,"entities":0,"calls":0,"restarts":3,
                      "resident_bytes":0,"uptime_ms":0,"last_exit":"killed by SIGSEGV"}],
                     "supervisor":{"pid":100,"uptime_ms":62000},"setup":"done"})")}});
  transcript.run({"ps"});
  transcript.run({"ps", "-o", "json"});
  transcript.run({"-o", "jsonl", "ps"});
  transcript.check();
}

TEST_CASE("live: a supervisor that a busy machine keeps from answering for two seconds is waited for", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  StandIn::Answer late = answer("{}");
  late.delay = std::chrono::seconds(2);
  StandIn fabric(transcript.directory(),
                 {{"ping", late}, {"ps", answer(R"({"nodes":[],"supervisor":{},"setup":"done"})")}});
  const auto ps = transcript.run_quietly({"ps"});
  CHECK(ps.err == "");
  CHECK(ps.exit_code == 0);
}

TEST_CASE("live: ps has a column for the store only if a node cannot save, and one without process can neither",
          "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  const std::string nodes = R"({"nodes":[{"node":"node-1","state":"ready","store":"STORE"},
                                         {"node":"node-2","state":"backoff"}],"supervisor":{},"setup":"done"})";
  for (const auto& [store, is_shown] : {std::pair("ok", false), std::pair("blocked", true)}) {
    std::string listed = nodes;
    StandIn fabric(transcript.directory(), {{"ps", answer(listed.replace(listed.find("STORE"), 5, store))}});
    CHECK(transcript.run_on_terminal({"ps", "--color", "never"}).contains("  STORE") == is_shown);
  }
}

TEST_CASE("live: ps --types lists what is counted for each class", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  StandIn fabric(transcript.directory(), {{"types", answer(R"({"types":[
      {"type":"Player","counters":{"entities":7,"activated":9}},{"type":"Barrel"}]})")}});
  CHECK(transcript.run({"ps", "--types"}).out == "Player\t7\t9\nBarrel\t0\t0\n");
  const auto rows = boost::json::parse(transcript.run({"ps", "--types", "-o", "json"}).out);
  CHECK(rows.at(0).at("activated") == 9);
}

TEST_CASE("live: while nodes run different modules, ps says when each was built", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  StandIn fabric(transcript.directory(), {{"ps", answer(R"({"nodes":[
                     {"node":"node-1","pid":101,"state":"draining","shards":7,"entities":16,"calls":1,"restarts":0,
                      "resident_bytes":14000000,"uptime_ms":61000,"generation":1,"built_at":"2001-05-04T09:08:07.123Z",
                      "last_exit":null},
                     {"node":"node-2","pid":102,"state":"ready","shards":57,"entities":0,"calls":0,"restarts":0,
                      "resident_bytes":0,"uptime_ms":0,"generation":2,"built_at":"2011-05-05T09:08:07.123Z",
                      "last_exit":null}],
                     "supervisor":{"pid":100,"uptime_ms":62000},"setup":"done"})")}});
  const std::string table = transcript.run_on_terminal({"ps", "--color", "never"});
  CHECK(table.find("  MODULE") != std::string::npos);
  CHECK(transcript.run({"ps"}).out.find("2001-05-04") == std::string::npos);  // a pipe's fields stay the same
}

TEST_CASE("live: while functions of epic::blocking run, ps says how many", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  const auto ps = [](const std::string& blocking) {
    return R"({"nodes":[{"node":"node-1","pid":101,"state":"ready","shards":64,"entities":1,"calls":1,"restarts":0,
                         "resident_bytes":0,"uptime_ms":0,"generation":1,"built_at":"","last_exit":null,"blocking":)" +
           blocking + R"(}],"supervisor":{"pid":100,"uptime_ms":62000},"setup":"done"})";
  };
  {
    StandIn fabric(transcript.directory(), {{"ps", answer(ps("17"))}});
    const std::string table = transcript.run_on_terminal({"ps", "--color", "never"});
    CHECK(table.contains("  BLOCKING"));
    CHECK(table.contains("17\n"));
  }
  StandIn fabric(transcript.directory(), {{"ps", answer(ps("0"))}});
  CHECK_FALSE(transcript.run_on_terminal({"ps", "--color", "never"}).contains("BLOCKING"));
}

TEST_CASE("live: ps and doctor say why nodes and supervisors have refused connections, if they have", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  const auto ps = [](const std::string& refused) {
    return answer(R"({"nodes":[{"node":"node-1","state":"ready","refused":)" + refused +
                  R"(}],"supervisor":{},"setup":"done","machines":[{"machine":"oak-1","refused":{}},)" +
                  R"({"machine":"elm-2","refused":)" + refused + "}]}");
  };
  const std::pair<std::string, StandIn::Answer> ping{"ping", answer(R"({"version":")" EPIC_VERSION R"("})")};
  {
    StandIn fabric(transcript.directory(), {ping, {"ps", ps(R"({"wrong_secret":3,"slow":0,"not_tls":1})")}});
    CHECK_THAT(transcript.run({"ps"}).err,
               Catch::Contains("node-1 has refused connections: 3 wrong secret, 1 not tls") &&
                   Catch::Contains("the supervisor of elm-2 has refused connections: 3 wrong secret, 1 not tls") &&
                   !Catch::Contains("oak-1"));
    CHECK_THAT(transcript.run({"doctor"}).out,
               Catch::Contains("refused connections since it started: 3 wrong secret, 1") && Catch::Contains("elm-2") &&
                   !Catch::Contains("oak-1"));
  }
  StandIn fabric(transcript.directory(), {ping, {"ps", ps("{}")}});
  CHECK_FALSE(transcript.run({"ps"}).err.contains("refused"));
}

TEST_CASE("live: ps and doctor say that the leader's lease is not renewed, and when it is over", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  for (const bool is_over : {false, true}) {
    StandIn fabric(transcript.directory(),
                   {{"ping", answer(R"({"version":")" EPIC_VERSION R"("})")},
                    {"ps", answer(fmt::format(R"({{"nodes":[],"supervisor":{{}},"setup":"done","unrenewed_lease":)"
                                              R"({{"machine":"oak-1","why":"etcd fails","is_over":{}}}}})",
                                              is_over))}});
    const std::string said = transcript.run({"ps"}).err;
    CHECK(said.contains("the lease of oak-1 is not renewed just now, because etcd fails") == !is_over);
    CHECK(said.contains("the lease of oak-1 is over, because etcd fails; its nodes answer nothing") == is_over);
    CHECK(transcript.run({"doctor"}).out.contains("its lease is over, and its nodes answer nothing") == is_over);
  }
}

TEST_CASE("live: a refusal is shown with its hint and the log that tells more", "[cli]") {
  Transcript transcript("live_refusal");
  transcript.write("epic.toml", kManifest);
  StandIn::Answer refused = refusal(epic::protocol::AnswerStatus::failed, "A restart is under way.");
  refused.detail = {.hint = "Wait until 'epic restart' has returned.", .log = "/x/node-3.log"};
  StandIn fabric(transcript.directory(), {{"scale", refused}});
  CHECK(transcript.run({"scale", "5"}).exit_code == 1);
  transcript.check();
}

TEST_CASE("live: on a terminal a table has headers, aligned columns, colours and units", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  StandIn fabric(transcript.directory(),
                 {{"ls", stream(R"([{"entity":"Player/Bob","state":"live","node":"node-1","shard":17,"version":3,
                                     "bytes":2048,"age_ms":180000,"calls":0},
                                    {"entity":"B/1","state":"stored","node":null,"shard":4,"version":1,
                                     "bytes":9,"age_ms":null,"calls":0}])")}});
  CHECK(transcript.run_on_terminal({"ls", "--color", "never"}) ==
        "ENTITY      STATE   NODE    SHARD  VERSION    BYTES  AGE        CALLS\n"
        "Player/Bob  live    node-1     17        3  2.0 KiB  3 min ago      0\n"
        "B/1         stored  -           4        1      9 B  -              0\n");
  CHECK(transcript.run_on_terminal({"ls"}).find("\x1b[32mlive\x1b[0m") != std::string::npos);
}

TEST_CASE("live: ls asks for what was meant, and names the type that was nearly meant", "[cli]") {
  Transcript transcript("live_ls");
  transcript.write("epic.toml", kManifest);
  StandIn::Answer rows = stream(
      R"([{"entity":"Player/Bob","state":"live","node":"node-1","shard":17,"version":3,"bytes":12,"age_ms":null,"calls":0},
          {"entity":"Player/Tab\there","state":"stored","node":null,"shard":4,"version":1,"bytes":9,"age_ms":null,"calls":0}])");
  {
    StandIn fabric(transcript.directory(), {{"ls", rows}, {"types", kTypes}});
    transcript.run({"ls"});
    transcript.run({"ls", "Player/B", "--live", "--limit", "5"});
    transcript.run({"ls", "-o", "json"});
    transcript.run({"ls", "-o", "jsonl"});
    CHECK(fabric.requests()[1] == R"(ls {"type":"Player","prefix":"B","limit":5,"source":"live"})");
  }
  StandIn empty(transcript.directory(), {{"ls", StandIn::Answer{}}, {"types", kTypes}});
  CHECK(transcript.run({"ls"}).exit_code == 0);
  CHECK(transcript.run({"ls", "Player"}).exit_code == 0);
  CHECK(transcript.run({"ls", "Plyaer"}).exit_code == 3);
  transcript.check();
}

TEST_CASE("live: inspect shows an entity, and what to do about one that is not there", "[cli]") {
  Transcript transcript("live_inspect");
  transcript.write("epic.toml", kManifest);
  const auto entity = answer(
      R"({"entity":"Player/Bob","type":"Player","key":"Bob","live":true,"node":"node-2","shard":17,"epoch":4,"version":3,
          "unsaved":true,"bytes":12,"schema":"00000000000000aa","saved_at":"2031-05-04T09:08:07.123Z","active_ms":1000,"activation":"crashed",
          "idle_ms":20,"queue":0,"calls":[{"id":"2.1.9","entity":"Player/Bob","method":"enter_level","caller":"Match/7","state":"running","age_ms":3250}],
          "timers":[{"method":"tick","every_ms":50,"due_ms":12,"skipped":0,"pins":true},{"method":"timer","every_ms":0,"due_ms":4000,"skipped":0,"pins":true}],"state":{"score":30}})");
  {
    StandIn fabric(transcript.directory(), {{"inspect", entity}, {"types", kTypes}});
    transcript.run({"inspect", "Player/Bob"});
    transcript.run({"inspect", "Player/Bob", "-o", "json"});
    const std::string page = transcript.run_on_terminal({"inspect", "Player/Bob", "--color", "never"});
    CHECK(page.find("\nepoch       4\n") != std::string::npos);
    CHECK(page.find("\ncalls\n  enter_level  running  3.2 s  called by Match/7\n") != std::string::npos);
    CHECK(page.find("\ntimers\n  tick  every 50 ms  due in 12 ms\n  timer  once  due in 4.0 s\n") != std::string::npos);
    CHECK(page.ends_with("\nstate\n  {\n    \"score\": 30\n  }\n"));
  }
  StandIn fabric(transcript.directory(),
                 {{"inspect", refusal(epic::protocol::AnswerStatus::not_found, "no such entity")}, {"types", kTypes}});
  CHECK(transcript.run({"inspect", "Player/Nobody"}).exit_code == 3);
  CHECK(transcript.run({"inspect", "Plyer/Bob"}).exit_code == 3);
  CHECK(transcript.run({"inspect", "Player"}).exit_code == 2);
  transcript.check();
}

TEST_CASE("live: inspect shows an entity of a local class with its instances on all nodes", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  const auto entity = answer(
      R"({"entity":"Painter/wall","type":"Painter","key":"wall","live":true,"node":null,"local_max":8,"calls":[]})");
  const auto calls = answer(R"({"calls":[]})");
  {
    StandIn fabric(transcript.directory(),
                   {{"inspect", entity},
                    {"calls", calls},
                    {"ls", stream(R"([{"entity":"Painter/wall","state":"live","node":"node-1","age_ms":1000,"calls":7},
                           {"entity":"Painter/wallpaper","state":"live","node":"node-1","age_ms":1000,"calls":1},
                           {"entity":"Painter/wall","state":"live","node":"node-3","age_ms":20,"calls":1}])")}});
    const auto page = transcript.run_quietly({"inspect", "Painter/wall"});
    CHECK(page.exit_code == 0);
    CHECK(page.out ==
          "entity\tPainter/wall\nstatus\tlive\nlocal\tat most 8 instances on each node\n"
          "instances\t[{\"node\":\"node-1\",\"idle_ms\":1000,\"calls\":7},"
          "{\"node\":\"node-3\",\"idle_ms\":20,\"calls\":1}]\ncalls\t[]\n");
    const std::string shown = transcript.run_on_terminal({"inspect", "Painter/wall", "--color", "never"});
    CHECK(shown.ends_with("\ninstances\n  node-1  idle for 1.0 s  7 calls\n  node-3  idle for 20 ms  1 calls\n"));
    CHECK(fabric.requests()[1].starts_with(R"(ls {"type":"Painter","prefix":"wall",)"));
  }
  StandIn fabric(transcript.directory(), {{"inspect", entity}, {"calls", calls}, {"ls", StandIn::Answer{}}});
  CHECK(transcript.run_quietly({"inspect", "Painter/wall"}).out.find("\nstatus\tnot in memory\n") != std::string::npos);
}

TEST_CASE("live: call sends JSON values and words, and prints the result", "[cli]") {
  Transcript transcript("live_call");
  transcript.write("epic.toml", kManifest);
  {
    StandIn fabric(transcript.directory(), {{"call", answer(R"({"result":{"x":1,"y":[1,2]}})")}});
    transcript.run(
        {"call", "Player/Bob", "move", "-3", R"({"x": 1})", "[1,2]", "Barrel/7", "two words", "-o", "jsonl"});
    transcript.run({"call", "Player/a/b", "m", "--timeout", "250ms"});
    transcript.run({"call", "Player/Bob", "pay", "5", "--idempotency-key", "order-17", "-o", "jsonl"});
    transcript.run({"call", "Player/Bob", "pay", "--idempotency-key", "", "-o", "jsonl"});  // the node refuses it
    CHECK(
        fabric.requests() ==
        std::vector<std::string>{
            R"(call {"entity":"Player/Bob","method":"move","timeout_ms":30000,"idempotency_key":null,"args":[-3,{"x":1},[1,2],"Barrel/7","two words"]})",
            R"(call {"entity":"Player/a/b","method":"m","timeout_ms":250,"idempotency_key":null,"args":[]})",
            R"(call {"entity":"Player/Bob","method":"pay","timeout_ms":30000,"idempotency_key":"order-17","args":[5]})",
            R"(call {"entity":"Player/Bob","method":"pay","timeout_ms":30000,"idempotency_key":"","args":[]})"});
  }
  {
    StandIn fabric(transcript.directory(), {{"call", answer(R"({"result":"text as it is"})")}});
    transcript.run({"call", "Player/Bob", "name"});
  }
  {
    StandIn fabric(transcript.directory(), {{"call", answer(R"({"result":null})")}});
    transcript.run({"call", "Player/Bob", "reset"});
  }
  transcript.check();
}

TEST_CASE("live: a call that is refused says why, with the method that was nearly meant", "[cli]") {
  Transcript transcript("live_call_refused");
  transcript.write("epic.toml", kManifest);
  const auto with = [&](epic::protocol::AnswerStatus status, std::string message, std::vector<std::string> words) {
    StandIn fabric(transcript.directory(), {{"call", refusal(status, std::move(message))}, {"types", kTypes}});
    return transcript.run(std::move(words)).exit_code;
  };
  CHECK(with(epic::protocol::AnswerStatus::not_found, "Player has no method get_scroe",
             {"call", "Player/Bob", "get_scroe"}) == 3);
  CHECK(with(epic::protocol::AnswerStatus::not_found, "no such type", {"call", "Plaier/Bob", "get_score"}) == 3);
  CHECK(with(epic::protocol::AnswerStatus::bad_request, "Player.enter_level takes 1 argument (list<ref>), got 0",
             {"call", "Player/Bob", "enter_level"}) == 2);
  CHECK(with(epic::protocol::AnswerStatus::bad_request,
             "Player.enter_level: argument 1: expected a list, got the string",
             {"call", "Player/Bob", "enter_level", R"({"x":1,"x":2})"}) == 2);
  CHECK(with(epic::protocol::AnswerStatus::bad_request,
             "Player.enter_level: argument 1: expected float64, got the string \"1e309\"",
             {"call", "Player/Bob", "enter_level", "1e309"}) == 2);
  CHECK(with(epic::protocol::AnswerStatus::failed, "Player/Bob.get_score threw std::runtime_error: no score today.",
             {"call", "Player/Bob", "get_score"}) == 1);
  CHECK(
      with(epic::protocol::AnswerStatus::bad_request,
           "Player/Bob.enter_level was not started: its idempotency key 'k' was used before for this method with other "
           "arguments. A key stands for one call: use another for this one",
           {"call", "Player/Bob", "enter_level", "[]", "--idempotency-key", "k"}) == 2);
  CHECK(transcript.run({"call", "Player/Bob", "enter_level", "[]", "--idempotency-key"}).exit_code == 2);
  CHECK(transcript.run({"call", "Player/Bob"}).exit_code == 2);
  CHECK(transcript.run({"call", "Player/Bob", "get_score", "--timeout", "soon"}).exit_code == 2);
  transcript.check();
}

TEST_CASE("live: logs come line by line", "[cli]") {
  Transcript transcript("live_logs");
  transcript.write("epic.toml", kManifest);
  StandIn fabric(
      transcript.directory(),
      {{"logs",
        stream(
            R"([{"time":"2031-05-04T09:08:07.123Z","node":"node-1","level":"info","entity":"Player/Bob","message":"hello"},
                                      {"time":"2031-05-04T09:08:08.123Z","node":"node-2","level":"warn","entity":null,"message":"slow \u001b[2J turn"}])")}});
  transcript.run({"logs"});
  transcript.run({"logs", "node-2", "--tail", "5", "-o", "jsonl"});
  transcript.run({"logs", "--no-prefix"});
  CHECK(fabric.requests()[1] == R"(logs {"node":"node-2","follow":false,"tail":5})");
  transcript.check();
}

TEST_CASE("live: completions know types, keys, methods and nodes", "[cli]") {
  Transcript transcript("live_completions");
  transcript.write("epic.toml", kManifest);
  StandIn fabric(transcript.directory(), {{"ping", answer(R"({"pid":1})")},
                                          {"types", kTypes},
                                          {"ls", stream(R"([{"entity":"Player/Bob"},{"entity":"Player/Bea"}])")},
                                          {"ps", answer(R"({"nodes":[{"node":"node-1"},{"node":"node-2"}]})")}});
  transcript.run({"__complete", "--", "inspect", ""});
  transcript.run({"__complete", "--", "inspect", "Player/B"});
  transcript.run({"__complete", "--", "call", "Player/Bob", "g"});
  transcript.run({"__complete", "--", "logs", ""});
  transcript.check();
}

TEST_CASE("live: a supervisor that is stopped is reported long before any request would time out", "[cli]") {
  Transcript transcript("live_stopped");
  transcript.write("epic.toml", kManifest);
  std::filesystem::create_directories(transcript.directory() / ".epic");
  const std::string path = (transcript.directory() / ".epic" / "control.sock").string();
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  REQUIRE(path.size() < sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  const int listening = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);  // its system accepts, and it never answers
  REQUIRE(::bind(listening, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listening, 16) == 0);
  for (const std::string command : {"ps", "ls", "events"}) {
    CAPTURE(command);
    const auto begun = std::chrono::steady_clock::now();
    const auto result = transcript.run_quietly({command});
    CHECK(result.exit_code == 4);
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(6));
  }
  ::close(listening);
}

TEST_CASE("live: a second run of a project is refused, with the process that has it", "[cli]") {
  Transcript transcript("live_second_run");
  transcript.write("epic.toml", kManifest);
  StandIn fabric(transcript.directory(), {{"ping", answer(R"({"pid":4711})")}});
  CHECK(transcript.run({"run"}).exit_code == 1);
  transcript.check();
}

TEST_CASE("live: a supervisor that would stop the whole fabric is not asked to stop its machine", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  StandIn former(transcript.directory(), {{"ping", answer(R"({"version":"0.1.0","pid":4711})")}});
  const auto refused = transcript.run_quietly({"stop", "--this-machine"});
  CHECK(refused.exit_code == 1);
  CHECK(refused.err.contains("is of an older version, which would stop the whole fabric if it leads"));
  CHECK(former.requests().empty());
}

TEST_CASE("live: an export of what the nodes hold says what it is a cut of, and that it is whole", "[cli]") {
  Transcript transcript("live_export");
  transcript.write("epic.toml", kManifest);
  const auto ping = answer(R"({"shards":4})");
  const std::string_view rows = R"([
      {"cut":{"node":"node-2","commit":9}},{"cut":{"node":"node-1","commit":12}},
      {"entity":"Player/Bob","version":3,"schema":"00000000000000aa","saved_at":null,"state":{"score":0.1},"live":true,"unsaved":true,"node":"node-1","cut":12},
      {"entity":"Player/Bea","version":1,"schema":"00000000000000aa","saved_at":"2031-05-04T09:08:07.123Z","state":{"score":1},"live":false,"unsaved":false,"node":"node-2","cut":9},
      {"end":{"node":"node-2","entities":1,"shards":[2,3]}},)";
  {
    StandIn fabric(
        transcript.directory(),
        {{"ping", ping},
         {"export", stream(std::string(rows) + R"({"end":{"node":"node-1","entities":1,"shards":[0,1]}}])")}});
    CHECK(transcript.run({"snapshot", "export", "--live"}).exit_code == 0);
    const auto document = transcript.run_quietly({"snapshot", "export", "Player/Bob", "--live", "-o", "json"});
    CHECK(boost::json::parse(document.out).at("cuts").as_array().size() == 2);
    CHECK(boost::json::parse(document.out).at("cut_of").as_string().starts_with("each node between two of its turns"));
    CHECK(fabric.requests().back() == R"(export {"type":"Player","key":"Bob"})");
  }
  {
    StandIn fabric(transcript.directory(),
                   {{"ping", ping}, {"export", stream(std::string(rows) + R"({"damaged":"Player/Zoe: broken"}])")}});
    CHECK(transcript.run({"snapshot", "export", "--live", "--output", "out.jsonl"}).exit_code == 1);
    CHECK_FALSE(std::filesystem::exists(transcript.directory() / "out.jsonl"));
  }
  CHECK(transcript.run({"snapshot", "export", "--live"}).exit_code == 3);
  transcript.check();
}

TEST_CASE("live: a diff leaves out what is damaged, and nothing whose name is a part of that", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  transcript.write("then.jsonl",
                   "{\"entity\":\"MyPlayer/Bob\",\"state\":{}}\n{\"entity\":\"Player/Bob\",\"state\":{}}\n");
  StandIn fabric(transcript.directory(), {{"ping", answer(R"({"shards":1})")}, {"export", stream(R"([
      {"cut":{"node":"node-1","commit":9}},
      {"damaged":"the snapshot of MyPlayer/Bob is damaged.","damaged_entity":"MyPlayer/Bob"},
      {"end":{"node":"node-1","entities":0,"shards":[0]}}])")}});
  const auto diff = transcript.run({"snapshot", "diff", "then.jsonl", "--live"});
  CHECK(diff.exit_code == 1);
  CHECK(diff.out == "- Player/Bob\n");
  CHECK(diff.err.contains("1 snapshot of what is there now could not be read and was not compared"));
}

TEST_CASE("live: a socket that may not be used is no reason to advise what needs it", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  StandIn fabric(transcript.directory(), {});
  std::filesystem::permissions(transcript.directory() / ".epic/control.sock", std::filesystem::perms::none);
  std::vector<std::string> words{EPIC_BINARY, "ps"};
  if (::geteuid() == 0)  // without root's right to use every file
    words.insert(words.begin(), {"setpriv", "--bounding-set=-dac_override,-dac_read_search"});
  std::string line;
  for (const std::string& word : words) line += "'" + word + "' ";
  const auto denied =
      epic::cli::run_subprocess({.program = "/bin/sh", .arguments = {"-c", line}, .directory = transcript.directory()});
  REQUIRE(denied);
  CHECK(denied->exit_code == 4);
  CHECK(denied->err.contains("make its socket usable again: chmod 600 "));
  CHECK_FALSE(denied->err.contains("epic ps"));
}

TEST_CASE("live: an import checks every line first, and goes to the owners shard by shard", "[cli]") {
  Transcript transcript("live_import");
  transcript.write("epic.toml", kManifest);
  transcript.write("a.jsonl",
                   "{\"entity\":\"Player/Bob\",\"state\":{\"score\":1}}\n{\"entity\":\"Barrel/1\",\"state\":{}}\n");
  const auto ping = answer(R"({"shards":1})");
  {
    StandIn fabric(
        transcript.directory(),
        {{"ping", ping},
         {"types", kTypes},
         {"import",
          answer(
              R"({"outcomes":[{"what":"new"},{"error":"state.score: expected int64, got null"}],"ignored_fields":0})")}});
    CHECK(transcript.run({"snapshot", "import", "a.jsonl", "--yes"}).exit_code == 1);
    CHECK(std::ranges::count_if(fabric.requests(), [](const auto& request) { return request.starts_with("import"); }) ==
          1);
  }
  {
    StandIn fabric(transcript.directory(),
                   {{"ping", ping},
                    {"types", kTypes},
                    {"import", answer(R"({"outcomes":[{"what":"changed"},{"what":"equal"}],"ignored_fields":2})")}});
    CHECK(transcript.run({"snapshot", "import", "a.jsonl"}).exit_code == 2);
    CHECK(transcript.run({"snapshot", "import", "a.jsonl", "--dry-run"}).exit_code == 0);
    CHECK(transcript.run({"snapshot", "import", "a.jsonl", "--yes", "-o", "jsonl"}).exit_code == 0);
    CHECK(
        fabric.requests().back() ==
        R"(import {"mode":"apply","shard":0,"lines":["{\"entity\":\"Player/Bob\",\"state\":{\"score\":1}}","{\"entity\":\"Barrel/1\",\"state\":{}}"]})");
    CHECK(transcript.run({"snapshot", "import", "a.jsonl", "Player/Zoe"}).exit_code == 3);
    CHECK(transcript.run({"snapshot", "rm", "Playr/Bob", "--yes"}).exit_code == 3);
    CHECK(transcript.run({"snapshot", "import", "b.jsonl"}).exit_code == 1);
  }
  transcript.check();
}

TEST_CASE("live: an import finds what is meant by any name of its class", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  transcript.write("a.jsonl",
                   "{\"entity\":\"Hero/Bob\",\"state\":{}}\n{\"entity\":\"Barrel/1\",\"state\":{}}\n"
                   "{\"entity\":\"Player/Bea\",\"state\":{}}\n");
  StandIn fabric(transcript.directory(),
                 {{"ping", answer(R"({"shards":1})")},
                  {"types", answer(R"({"types":[{"type":"Player","formerly":["Hero"],"methods":[]}]})")},
                  {"import", answer(R"({"outcomes":[{"what":"new"},{"what":"equal"}],"ignored_fields":0})")}});
  for (const char* type : {"Player", "Hero"}) {
    const auto shown = transcript.run_quietly({"snapshot", "import", "a.jsonl", type, "--dry-run"});
    CHECK(shown.exit_code == 0);
    CHECK(shown.out == "Player\t1\t0\t1\n");
  }
}
