#!/bin/sh
# Records tables.sql: what a real Quartz writes. Needs Debian's packages libquartz2-java and libpostgresql-jdbc-java, a JDK, and
# an empty database of a throwaway PostgreSQL: record.sh 127.0.0.1:5432/DATABASE
set -eu
cd "$(dirname "$0")"
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
sh ./fill.sh "$1" "$classes"
pg_dump --no-owner --no-privileges --no-comments --inserts "postgresql://punctual@$1" | grep -v -e '^--' -e '^$' -e '^SE[TL]' -e '^\\' >tables.sql
