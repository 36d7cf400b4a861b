-- Whether a node was asked to drain. Nodes of older versions do not look.
ALTER TABLE nodes ADD COLUMN draining boolean NOT NULL DEFAULT false;
