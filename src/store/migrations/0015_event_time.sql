-- The timeline is read from its end, and its order is that of time.
CREATE INDEX event_time ON event (at, id);
