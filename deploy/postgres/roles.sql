-- PostgreSQL's image runs this once, when it makes the database. Migrations own the tables; web and worker, with a role of their
-- own, read and write rows and change no table.
\set password `cat /secrets/service/postgres_password`
CREATE ROLE tasktracker_service LOGIN PASSWORD :'password';
ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO tasktracker_service;
