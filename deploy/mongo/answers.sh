#!/bin/bash
# A health check of a few milliseconds, where mongosh takes a second: exit code 0 when this container's mongod says that it takes
# writes. Asked by the name that others find it by: while its image makes the users, another mongod answers at 127.0.0.1, and is
# stopped again. What is sent is OP_MSG with {hello: 1, $db: "admin"}, which needs no sign-in.
set -eu
# shellcheck disable=SC2016 # $db is what is sent
message='\x34\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\x1f\0\0\0\x10hello\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0'
timeout 5 bash -c "exec 3<>/dev/tcp/$(hostname)/27017; printf '$message' >&3; dd bs=65536 count=1 status=none <&3" | grep -qaP 'isWritablePrimary\x00\x01'
