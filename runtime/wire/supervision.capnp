@0xd1c5f0a7e3b64921;
# The channel between a supervisor and one of its nodes. supervision.hpp says what each message means.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("epic::wire::schema");

struct FabricOptions {
  heartbeatNs @0 :Int64;
  idleAgeNs @1 :Int64;
  callDeadlineNs @2 :Int64;
  turnReportNs @3 :Int64;
  memoryBudgetBytes @4 :UInt64;
  logLevel @5 :Text;
}

struct Configure {
  node @0 :UInt16;
  incarnation @1 :UInt64;
  fabricId @2 :Text;
  projectDirectory @3 :Text;
  modulePath @4 :Text;
  storeKind @5 :Text;
  storePath @6 :Text;
  shardCount @7 :UInt16;
  socketPath @8 :Text;
  options @9 :FabricOptions;
}

struct Member {
  node @0 :UInt16;
  incarnation @1 :UInt64;
  address @2 :Text;
}

struct ShardMap {
  version @0 :UInt64;
  owners @1 :List(UInt16);
  members @2 :List(Member);
  moving @3 :List(UInt16);
  ownedSince @4 :List(UInt64);
}

struct Release {
  shards @0 :List(UInt16);
  mapVersion @1 :UInt64;
}

struct Request {
  id @0 :UInt64;
  verb @1 :Text;
  body @2 :Text;
}

struct GoOn {
  id @0 :UInt64;
  isWanted @1 :Bool;
}

struct ToNode {
  union {
    configure @0 :Configure;
    shardMap @1 :ShardMap;
    release @2 :Release;
    runSetup @3 :Void;
    request @4 :Request;
    stopGraceNs @5 :Int64;
    goOn @6 :GoOn;
    leave @7 :Void;
  }
}

struct Ready {
  pid @0 :Int32;
  version @1 :Text;
  abiTag @2 :Text;
  renamedTypes @3 :List(RenamedType);
}

struct RenamedType {
  name @0 :Text;
  storedName @1 :Text;
}

struct StartFailed {
  message @0 :Text;
  hint @1 :Text;
}

struct Heartbeat {
  entities @0 :UInt64;
  callsInFlight @1 :UInt64;
  residentBytes @2 :UInt64;
  turnInProgressNs @3 :Int64;
  storeBlocked @4 :Text;
  storeBlockedNs @5 :Int64;
  commits @6 :UInt64;
  rows @7 :UInt64;
  entityBytes @8 :UInt64;
}

struct Released {
  shard @0 :UInt16;
  mapVersion @1 :UInt64;
}

struct TakenShard {
  shard @0 :UInt16;
  epoch @1 :UInt64;
}

struct Taken {
  shards @0 :List(TakenShard);
  mapVersion @1 :UInt64;
}

struct Answer {
  id @0 :UInt64;
  status @1 :UInt8;
  body @2 :Text;
  last @3 :Bool;
  wantsRoom @4 :Bool;
}

struct FromNode {
  union {
    ready @0 :Ready;
    startFailed @1 :StartFailed;
    heartbeat @2 :Heartbeat;
    released @3 :Released;
    taken @4 :Taken;
    setupError @5 :Text;
    answer @6 :Answer;
    drained @7 :Bool;
  }
}
