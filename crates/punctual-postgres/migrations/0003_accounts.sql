-- Who may do what. Ids are never used again: the log of changes names them.
CREATE TABLE users (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL,
    name_key      text NOT NULL UNIQUE, -- the name in lower case
    password      text NOT NULL,        -- PHC string
    superuser     boolean NOT NULL,
    disabled      boolean NOT NULL,
    must_change   boolean NOT NULL,
    created_at    bigint NOT NULL,
    updated_at    bigint NOT NULL,
    last_login_at bigint
);

CREATE TABLE user_groups (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL,
    name_key    text NOT NULL UNIQUE,
    permissions bigint NOT NULL,       -- bits: 1 monitoring, 2 operate, 4 edit, each with those before it
    created_at  bigint NOT NULL,
    updated_at  bigint NOT NULL
);

CREATE TABLE user_group_members (
    group_id bigint NOT NULL,
    user_id  bigint NOT NULL,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX user_group_members_user ON user_group_members (user_id);

CREATE TABLE sessions (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash       text NOT NULL UNIQUE,    -- SHA-256 of the id
    user_id    bigint NOT NULL,
    address    text,
    created_at bigint NOT NULL,
    seen_at    bigint NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE api_tokens (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash         text NOT NULL UNIQUE,  -- SHA-256 of the token
    user_id      bigint NOT NULL,
    name         text NOT NULL,
    scopes       bigint NOT NULL,      -- bits, as of groups; 8 superuser
    created_at   bigint NOT NULL,
    expires_at   bigint,
    last_used_at bigint
);
CREATE INDEX api_tokens_user ON api_tokens (user_id);

CREATE TABLE audit_log (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        bigint NOT NULL,
    actor     text NOT NULL,
    actor_id  bigint,
    action    text NOT NULL COLLATE "C",
    subject   text NOT NULL,
    old_value text,                     -- JSON, without secrets
    new_value text,
    note      text
);
CREATE INDEX audit_log_at ON audit_log (at);
