#!/bin/sh
# Makes the tables of Quartz and fills them with one of everything: fill.sh HOST:PORT/DATABASE DIRECTORY-FOR-CLASSES
# Twice: with serialised data, and (scheduler "text") with data as properties.
set -eu
cd "$(dirname "$0")"
jars=/usr/share/java
path=$jars/quartz2.jar:$jars/postgresql.jar:$jars/slf4j-api.jar:$jars/slf4j-nop.jar:$jars/c3p0.jar:$jars/HikariCP.jar
javac -nowarn -cp "$path" -d "$2" Fill.java
unzip -p $jars/quartz2.jar org/quartz/impl/jdbcjobstore/tables_postgres.sql | psql -q "postgresql://punctual@$1" >"$2/log" 2>&1
java -cp "$path:$2" Fill "jdbc:postgresql://$1" QRTZ_ objects false >>"$2/log" 2>&1
java -cp "$path:$2" Fill "jdbc:postgresql://$1" QRTZ_ text true >>"$2/log" 2>&1
